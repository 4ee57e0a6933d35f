//! Joins blocks of samples with timestamps into one gapless stream.

use super::super::SAMPLE_RATE;

/// Timestamps are rounded; smaller deviations than this are ignored.
const TOLERANCE_FRAMES: u64 = SAMPLE_RATE as u64 / 10;

/// Silence is appended in blocks of this length, so that it costs no memory.
const SILENCE_STEP_FRAMES: u64 = SAMPLE_RATE as u64;

const FRAMES_PER_MS: u64 = SAMPLE_RATE as u64 / 1000;

/// Position of the stream. A block that starts after it is preceded by silence; a
/// block that starts before it loses its beginning.
#[derive(Debug)]
pub struct Timeline {
    channels: usize,
    frames: u64,
    frames_max: u64,
    waiting: Option<(u64, Vec<f32>)>,
}

impl Timeline {
    /// A stream that ends after `frames_max` frames.
    pub fn new(channels: u16, frames_max: u64) -> Self {
        Self {
            channels: usize::from(channels),
            frames: 0,
            frames_max,
            waiting: None,
        }
    }

    /// Frames appended so far; a frame is one sample of each channel.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether the stream has its maximum length.
    pub fn is_full(&self) -> bool {
        self.frames >= self.frames_max
    }

    /// Queues silence up to `end_ms`, if the stream ends before it.
    pub fn pad(&mut self, end_ms: u64) {
        self.place(end_ms, Vec::new());
    }

    /// Queues the next block. [`Self::append`] must then be called until it
    /// returns false.
    pub fn place(&mut self, start_ms: u64, mut samples: Vec<f32>) {
        let start = start_ms.saturating_mul(FRAMES_PER_MS);
        let early = self.frames.saturating_sub(start);
        if early > TOLERANCE_FRAMES {
            let count = usize::try_from(early).unwrap_or(usize::MAX);
            let count = count.saturating_mul(self.channels).min(samples.len());
            samples.drain(..count);
        }
        let late = start > self.frames + TOLERANCE_FRAMES;
        self.waiting = Some((if late { start } else { self.frames }, samples));
    }

    /// Appends some silence or the block; false if nothing is queued.
    pub fn append(&mut self, out: &mut Vec<f32>) -> bool {
        let Some((start, samples)) = &mut self.waiting else {
            return false;
        };
        let left = self.frames_max.saturating_sub(self.frames);
        if left == 0 {
            self.waiting = None;
            return false;
        }
        let gap = start.saturating_sub(self.frames);
        if gap > 0 {
            let count = gap.min(SILENCE_STEP_FRAMES).min(left);
            out.resize(out.len() + count as usize * self.channels, 0.0);
            self.frames += count;
            return true;
        }
        let frames = ((samples.len() / self.channels) as u64).min(left);
        out.extend(samples.drain(..frames as usize * self.channels));
        self.frames += frames;
        self.waiting = None;
        frames > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(blocks: &[(u64, usize)], frames_max: u64) -> Vec<(f32, usize)> {
        let mut timeline = Timeline::new(2, frames_max);
        let mut out = Vec::new();
        for (number, (start_ms, frames)) in blocks.iter().enumerate() {
            timeline.place(*start_ms, vec![number as f32 + 1.0; frames * 2]);
            while timeline.append(&mut out) {}
        }
        assert_eq!(out.len() as u64, timeline.frames() * 2);
        let runs = out.chunk_by(|one, other| one == other);
        runs.map(|run| (run[0], run.len() / 2)).collect()
    }

    #[test]
    fn gaps_are_silent_and_overlaps_cut() {
        for (blocks, expected) in [
            // Rounded times.
            (
                &[(0, 1600), (101, 1600)][..],
                &[(1.0, 1600), (2.0, 1600)][..],
            ),
            // A late start.
            (&[(2000, 1600)], &[(0.0, 32_000), (1.0, 1600)]),
            (&[(100, 1600)], &[(1.0, 1600)]),
            (&[(101, 1600)], &[(0.0, 1616), (1.0, 1600)]),
            // A gap of an hour.
            (
                &[(0, 1600), (3_600_000, 1600)],
                &[(1.0, 1600), (0.0, 57_598_400), (2.0, 1600)],
            ),
            // Half of the second block and all of the third overlap with earlier
            // ones.
            (
                &[(0, 16_000), (500, 16_000), (0, 800), (1500, 160)],
                &[(1.0, 16_000), (2.0, 8000), (4.0, 160)],
            ),
        ] {
            assert_eq!(run(blocks, u64::MAX), expected, "{blocks:?}");
        }
    }

    #[test]
    fn length_is_limited() {
        let mut timeline = Timeline::new(1, 100_000);
        timeline.pad(1000);
        let mut out = Vec::new();
        while timeline.append(&mut out) {}
        timeline.pad(500);
        assert!(!timeline.append(&mut out));
        assert_eq!(out.len(), 16_000);

        assert_eq!(run(&[(0, 1600)], 1000), [(1.0, 1000)]);
        assert_eq!(run(&[(u64::MAX, 1600)], 1000), [(0.0, 1000)]);
        assert_eq!(
            run(&[(0, 600), (1000, 600)], 1000),
            [(1.0, 600), (0.0, 400)]
        );
    }
}
