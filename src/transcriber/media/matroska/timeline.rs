//! Presentation times of packets, relative to the earliest of the first blocks of
//! all tracks.
//!
//! That block may come after blocks of the selected track, so the first packets
//! are held back until all tracks have been seen or the first cluster ends: a
//! cluster begins with the earliest blocks.

use std::collections::VecDeque;

use super::super::reader::Packet;

/// Limits of packets held back: their number and their bytes.
const HELD_MAX: usize = 1024;
const HELD_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Packets between demuxer and caller.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Tracks without a block so far.
    awaited: Vec<u64>,
    earliest_ns: Option<i64>,
    is_settled: bool,
    /// With the absolute time of each, in nanoseconds.
    held: VecDeque<(Packet, Option<i64>)>,
    held_bytes: usize,
}

impl Timeline {
    /// The timeline of a file with these tracks.
    pub fn new(tracks: Vec<u64>) -> Self {
        Self {
            awaited: tracks,
            ..Self::default()
        }
    }

    /// Notes a block of any track.
    pub fn note_block(&mut self, track: u64, time_ns: Option<i64>) {
        let Some(place) = self.awaited.iter().position(|awaited| *awaited == track) else {
            return;
        };
        self.awaited.swap_remove(place);
        if let Some(time_ns) = time_ns
            && !self.is_settled
        {
            self.earliest_ns = Some(
                self.earliest_ns
                    .map_or(time_ns, |earliest_ns| earliest_ns.min(time_ns)),
            );
        }
    }

    /// Adds a packet of the selected track; `time_ns` is on the segment's
    /// timeline.
    pub fn push(&mut self, packet: Packet, time_ns: Option<i64>) {
        self.held_bytes += packet.data.len();
        self.held.push_back((packet, time_ns));
    }

    /// Fixes time zero: at the end of the first cluster or of the file no earlier
    /// block can follow.
    pub fn settle(&mut self) {
        self.is_settled |= self.earliest_ns.is_some();
    }

    /// At the end of the file.
    pub fn finish(&mut self) {
        self.is_settled = true;
    }

    /// The next packet, if its time is known.
    pub fn pop(&mut self) -> Option<Packet> {
        self.is_settled |= self.awaited.is_empty()
            || self.held.len() > HELD_MAX
            || self.held_bytes > HELD_MAX_BYTES;
        if !self.is_settled {
            return None;
        }
        let (mut packet, time_ns) = self.held.pop_front()?;
        self.held_bytes -= packet.data.len();
        let zero_ns = self.earliest_ns.unwrap_or(0);
        packet.time_s = time_ns.map(|time_ns| time_ns.saturating_sub(zero_ns) as f64 / 1e9);
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeline_starts_at_the_earliest_first_block() {
        let mut timeline = Timeline::new(vec![1, 2]);
        timeline.note_block(2, Some(500_000_000));
        timeline.push(Packet::new([1]), Some(500_000_000));
        assert_eq!(timeline.pop(), None);
        timeline.note_block(1, Some(300_000_000));
        timeline.note_block(1, Some(100_000_000));
        assert_eq!(timeline.pop().unwrap().time_s, Some(0.2));
        timeline.push(Packet::new([1]), Some(0));
        assert_eq!(timeline.pop().unwrap().time_s, Some(-0.3));
        timeline.push(Packet::new([1]), None);
        assert_eq!(timeline.pop().unwrap().time_s, None);
    }

    #[test]
    fn tracks_without_blocks_do_not_delay_packets() {
        let mut timeline = Timeline::new(vec![1, 2]);
        timeline.settle();
        timeline.note_block(2, Some(7_000_000_000));
        timeline.push(Packet::new([1]), Some(7_000_000_000));
        assert_eq!(timeline.pop(), None);
        timeline.settle();
        assert_eq!(timeline.pop().unwrap().time_s, Some(0.0));
        let mut timeline = Timeline::new(vec![1, 2]);
        timeline.note_block(2, Some(0));
        for _ in 0..=HELD_MAX {
            timeline.push(Packet::new([1]), Some(0));
        }
        assert!(timeline.pop().is_some());
    }
}
