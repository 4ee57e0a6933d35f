//! Cutting a recording into windows for the model.

use std::collections::VecDeque;

use super::activity::{FRAME_SAMPLES, SAMPLE_RATE};
use super::pauses::{Frame, Pauses, SIDE_FRAMES};

/// Whisper looks at 30 s at a time.
const WINDOW_MAX_FRAMES: usize = 30 * SAMPLE_RATE / FRAME_SAMPLES;
/// A cut is looked for in the last third of a full window.
const CUT_RANGE_FRAMES: usize = WINDOW_MAX_FRAMES / 3;
/// The stretch whose quietness decides, a quarter of a second: as long as a
/// pause between sentences.
const QUIET_FRAMES: usize = SAMPLE_RATE / 4 / FRAME_SAMPLES;
/// After this much of the recording a window ends with the next long pause,
/// however little is in it: so that progress is seen in hours of silence.
const SPAN_MAX_SAMPLES: u64 = 120 * SAMPLE_RATE as u64;

/// A stretch of the recording, its long pauses shortened. It knows where its
/// samples came from, so that times stay those of the recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// At most 30 s, [`SAMPLE_RATE`] samples a second.
    pub samples: Vec<f32>,
    /// Something in it may be speech.
    pub audible: bool,
    /// In order; none only if there are no samples.
    pieces: Vec<Piece>,
    end_samples: u64,
}

/// Samples of a window that follow each other in the recording too.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    /// Where they begin in the window.
    offset_samples: usize,
    /// Where they begin in the recording.
    start_samples: u64,
}

impl Window {
    fn new(frames: impl Iterator<Item = Frame>, end_samples: u64) -> Self {
        let mut window = Self {
            samples: Vec::new(),
            audible: false,
            pieces: Vec::new(),
            end_samples,
        };
        let mut expected_samples = None;
        for frame in frames {
            if expected_samples != Some(frame.start_samples) {
                window.pieces.push(Piece {
                    offset_samples: window.samples.len(),
                    start_samples: frame.start_samples,
                });
            }
            expected_samples = Some(frame.start_samples + frame.samples.len() as u64);
            window.samples.extend_from_slice(&frame.samples);
            window.audible |= frame.activity.audible;
        }
        window
    }

    /// With this window the recording is dealt with up to here.
    pub fn end_s(&self) -> f64 {
        seconds(self.end_samples)
    }

    /// Where something said from `start_s` to `end_s` of this window lies in
    /// the recording. The model's idea of where speech begins and ends tends to
    /// reach into pauses: it is not stretched over one that was shortened.
    pub fn in_recording(&self, start_s: f64, end_s: f64) -> (f64, f64) {
        let offset =
            |time_s: f64| ((time_s * SAMPLE_RATE as f64).round() as usize).min(self.samples.len());
        let (start, end) = (offset(start_s), offset(end_s.max(start_s)));
        let (Some(mut first), Some(last)) = (self.piece_at(start), self.piece_at(end)) else {
            return (self.end_s(), self.end_s());
        };
        let side_samples = SIDE_FRAMES * FRAME_SAMPLES;
        let mut start_samples = self.place(first, start);
        if first < last && start + side_samples >= self.pieces[first + 1].offset_samples {
            first += 1;
            start_samples = self.pieces[first].start_samples;
        }
        let mut end_samples = self.place(last, end);
        if first < last && end <= self.pieces[last].offset_samples + side_samples {
            end_samples = self.place(last - 1, self.pieces[last].offset_samples);
        }
        (seconds(start_samples), seconds(end_samples))
    }

    fn piece_at(&self, offset_samples: usize) -> Option<usize> {
        self.pieces
            .partition_point(|piece| piece.offset_samples <= offset_samples)
            .checked_sub(1)
    }

    fn place(&self, piece: usize, offset_samples: usize) -> u64 {
        let piece = self.pieces[piece];
        piece.start_samples + (offset_samples - piece.offset_samples) as u64
    }
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / SAMPLE_RATE as f64
}

/// Collects samples and gives them back in windows.
#[derive(Default)]
pub struct Cutter {
    pauses: Pauses,
    pending: Vec<Frame>,
    /// End of the last window.
    done_samples: u64,
    ready: VecDeque<Window>,
}

impl Cutter {
    /// Takes samples as they come.
    pub fn push(&mut self, samples: &[f32]) {
        let mut kept = Vec::new();
        self.pauses.push(samples, &mut kept);
        self.collect(kept);
        let span_samples = self.pauses.pushed_samples() - self.done_samples;
        if self.pauses.in_long_pause() && span_samples > SPAN_MAX_SAMPLES {
            self.cut(self.pending.len());
        }
    }

    /// Seconds of audio pushed so far.
    pub fn pushed_s(&self) -> f64 {
        seconds(self.pauses.pushed_samples())
    }

    /// The next window that is complete.
    pub fn next_window(&mut self) -> Option<Window> {
        self.ready.pop_front()
    }

    /// The recording is over: makes windows of what is left.
    pub fn finish(&mut self) {
        let mut kept = Vec::new();
        self.pauses.finish(&mut kept);
        self.collect(kept);
        if self.done_samples < self.pauses.pushed_samples() {
            self.cut(self.pending.len());
        }
    }

    fn collect(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            if self.pending.len() == WINDOW_MAX_FRAMES {
                // Only now it is known that more follows, so that a cut is needed.
                self.cut(quietest_place(&self.pending));
            }
            self.pending.push(frame);
        }
    }

    /// Makes a window of the first `frames` pending ones.
    fn cut(&mut self, frames: usize) {
        let next_samples = self.pending.get(frames).map(|frame| frame.start_samples);
        self.done_samples = next_samples.unwrap_or(self.pauses.pushed_samples());
        self.ready
            .push_back(Window::new(self.pending.drain(..frames), self.done_samples));
    }
}

/// The middle of the quietest stretch in the last part of a full window; of
/// equally quiet ones the last, for fewer windows are fewer passes of the model.
fn quietest_place(frames: &[Frame]) -> usize {
    let range_start = frames.len() - CUT_RANGE_FRAMES;
    let mut quietest = f32::INFINITY;
    let mut place = frames.len();
    for (index, stretch) in frames[range_start..].windows(QUIET_FRAMES).enumerate() {
        let power = stretch.iter().map(|frame| frame.activity.power).sum();
        if power <= quietest {
            quietest = power;
            place = range_start + index + QUIET_FRAMES / 2;
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::super::pauses::tests::recording;
    use super::*;

    fn cut(samples: &[f32], piece_samples: usize) -> Vec<Window> {
        let mut cutter = Cutter::default();
        let mut windows = Vec::new();
        for piece in samples.chunks(piece_samples) {
            cutter.push(piece);
            windows.extend(std::iter::from_fn(|| cutter.next_window()));
        }
        cutter.finish();
        windows.extend(std::iter::from_fn(|| cutter.next_window()));
        assert_eq!(cutter.pushed_s(), samples.len() as f64 / SAMPLE_RATE as f64);
        windows
    }

    #[test]
    fn windows_are_the_recording_in_pieces_of_at_most_30_s() {
        for duration_s in [0.0, 0.005, 0.5, 29.99, 30.0, 30.01, 61.0, 95.3] {
            let samples = recording(duration_s, &[(12.0, 12.5), (41.0, 41.9)]);
            for piece_samples in [333, 16_000, 1 << 20] {
                let windows = cut(&samples, piece_samples);
                let mut at_s = 0.0;
                for window in &windows {
                    let duration_s = window.samples.len() as f64 / SAMPLE_RATE as f64;
                    assert!(duration_s > 0.0 && duration_s <= 30.0);
                    assert_eq!(window.in_recording(0.0, duration_s), (at_s, window.end_s()));
                    assert!((window.end_s() - at_s - duration_s).abs() < 1e-9);
                    at_s = window.end_s();
                }
                let whole: Vec<f32> = windows
                    .into_iter()
                    .flat_map(|window| window.samples)
                    .collect();
                assert!(
                    whole == samples,
                    "{duration_s} s in pieces of {piece_samples}"
                );
            }
        }
    }

    #[test]
    fn cuts_fall_into_pauses() {
        let pauses = [(10.0, 10.6), (23.0, 23.4), (27.0, 27.1), (45.0, 45.5)];
        let windows = cut(&recording(60.0, &pauses), 4000);
        let cuts: Vec<f64> = windows.iter().map(Window::end_s).collect();
        assert_eq!(cuts.len(), 3, "{cuts:?}");
        assert!((23.0..23.4).contains(&cuts[0]), "{cuts:?}");
        assert!((45.0..45.5).contains(&cuts[1]), "{cuts:?}");
        assert_eq!(cuts[2], 60.0);
    }

    #[test]
    fn times_are_of_the_recording_also_behind_shortened_pauses() {
        let windows = cut(&recording(20.0, &[(5.0, 15.0)]), 4000);
        assert_eq!(windows.len(), 1);
        let window = &windows[0];
        let duration_s = window.samples.len() as f64 / SAMPLE_RATE as f64;
        assert!((10.9..11.6).contains(&duration_s), "{duration_s}");
        let near = |(start_s, end_s): (f64, f64), expected: (f64, f64)| {
            assert!(
                (start_s - expected.0).abs() < 0.6 && (end_s - expected.1).abs() < 0.6,
                "{start_s} {end_s}"
            );
        };
        near(window.in_recording(0.0, 4.0), (0.0, 4.0));
        near(
            window.in_recording(duration_s - 4.0, duration_s),
            (16.0, 20.0),
        );
        // Speech on both sides.
        near(window.in_recording(1.0, duration_s), (1.0, 20.0));
        // From the end of one word to the end of the next, as whisper.cpp likes to say.
        near(window.in_recording(5.3, duration_s - 1.0), (15.0, 19.0));
        // To the beginning of the next word.
        near(window.in_recording(2.0, duration_s - 5.2), (2.0, 5.5));
        // Beyond the end.
        near(window.in_recording(100.0, 200.0), (20.0, 20.0));
    }

    #[test]
    fn hours_of_silence_give_inaudible_windows_now_and_then() {
        let windows = cut(&vec![0.0; 400 * SAMPLE_RATE], 16_000);
        assert!((3..=5).contains(&windows.len()), "{}", windows.len());
        assert!(
            windows
                .iter()
                .all(|window| !window.audible && window.samples.len() < 2 * SAMPLE_RATE)
        );
        assert_eq!(windows.last().unwrap().end_s(), 400.0);
        // Nothing to say, and no panic about it.
        let empty = windows
            .iter()
            .find(|window| window.samples.is_empty())
            .unwrap();
        assert_eq!(empty.in_recording(0.0, 1.0), (empty.end_s(), empty.end_s()));
    }
}
