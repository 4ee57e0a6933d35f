//! What may be true of one upload, judged by requests and answers. Where
//! several outcomes are legal it holds all of them, and the next answer leaves
//! fewer.

use std::ops::{Range, RangeInclusive};

/// The request that a byte comes from; each writes other letters, all of them text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pen {
    /// Every request that is alone, and one of two that race.
    Usual,
    /// The other of two that race.
    Rival,
    /// Requests of which no byte may be kept.
    Refused,
}

impl Pen {
    /// What it writes there.
    pub fn bytes(self, range: Range<usize>) -> Vec<u8> {
        let (first, letters) = match self {
            Pen::Usual => (b'a', 13),
            Pen::Rival => (b'n', 13),
            Pen::Refused => (b'A', 26),
        };
        let mixed = |position: usize| (position as u32).wrapping_mul(0x9e37_79b1) >> 16;
        range
            .map(|position| first + (mixed(position) % letters) as u8)
            .collect()
    }
}

/// One upload.
#[derive(Debug)]
pub struct Model {
    /// Bytes of the whole.
    pub length: usize,
    /// Where the offset may be; never below what was acknowledged.
    offset: RangeInclusive<usize>,
    /// A request that was not overtaken may still add to it.
    pub written_to: bool,
    /// Stretches that two wrote to at once: all of each comes from one of them.
    raced: Vec<(Range<usize>, Vec<Pen>)>,
    /// It was deleted.
    pub gone: bool,
}

impl Model {
    /// A new upload.
    pub fn new(length: usize) -> Model {
        Model {
            length,
            offset: 0..=0,
            written_to: false,
            raced: Vec::new(),
            gone: false,
        }
    }

    /// The highest acknowledged offset.
    pub fn acknowledged(&self) -> usize {
        *self.offset.start()
    }

    /// Bytes that are not acknowledged yet.
    pub fn room(&self) -> usize {
        self.length - self.acknowledged()
    }

    /// Only one offset is possible.
    pub fn is_certain(&self) -> bool {
        self.offset.start() == self.offset.end() && !self.written_to
    }

    /// All bytes are there for sure.
    pub fn is_finished(&self) -> bool {
        !self.gone && self.acknowledged() == self.length
    }

    /// May it stand there?
    pub fn may_be_at(&self, offset: usize) -> bool {
        self.offset.contains(&offset)
    }

    /// HEAD has this offset.
    pub fn looked_at(&mut self, offset: usize) {
        assert!(
            self.may_be_at(offset),
            "HEAD reports {offset}, possible {:?}",
            self.offset
        );
        let end = match self.written_to {
            true => *self.offset.end(),
            false => offset,
        };
        self.offset = offset..=end;
    }

    /// No request writes to it any more, and an answer has this offset.
    pub fn rests_at(&mut self, offset: usize) {
        self.written_to = false;
        self.looked_at(offset);
    }

    /// It stood at `at`, and bytes from there up to `end` were kept.
    pub fn grew(&mut self, at: usize, end: usize) {
        self.rests_at(at);
        self.offset = end..=end;
    }

    /// Bytes up to `end` were sent; how many arrived is unknown.
    pub fn may_grow(&mut self, end: usize) {
        assert!(end <= self.length);
        self.offset = self.acknowledged()..=end.max(*self.offset.end());
    }

    /// Two wrote from `at` up to where it stands now; one of `pens` won.
    pub fn was_raced(&mut self, at: usize, pens: &[Pen]) {
        self.raced.push((at..self.acknowledged(), pens.to_vec()));
    }

    /// Whether `data` can be the file; only what was acknowledged counts.
    pub fn assert_content(&self, data: &[u8]) {
        let mut position = 0;
        let rest = (self.acknowledged()..self.acknowledged(), vec![Pen::Usual]);
        for (raced, pens) in self.raced.iter().chain([&rest]) {
            for (stretch, pens) in [
                (position..raced.start, &[Pen::Usual][..]),
                (raced.clone(), pens),
            ] {
                let found = &data[stretch.clone()];
                assert!(
                    pens.iter().any(|pen| found == pen.bytes(stretch.clone())),
                    "{stretch:?} is not by {pens:?}: {}",
                    String::from_utf8_lossy(found)
                );
            }
            position = raced.end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_refuses_what_cannot_be() {
        let refused = |change: fn(&mut Model)| {
            let mut model = Model::new(10);
            model.grew(0, 4);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| change(&mut model))).is_err()
        };
        assert!(refused(|model| model.looked_at(3)));
        assert!(refused(|model| model.looked_at(5)));
        assert!(refused(|model| model.grew(5, 6)));
        assert!(refused(|model| model.assert_content(b"AAAA")));
        assert!(refused(
            |model| model.assert_content(&Pen::Rival.bytes(0..4))
        ));
        assert!(!refused(
            |model| model.assert_content(&Pen::Usual.bytes(0..4))
        ));
        assert!(!refused(|model| {
            model.may_grow(7);
            model.rests_at(6);
        }));
        assert!(!refused(|model| {
            model.grew(4, 6);
            model.was_raced(4, &[Pen::Usual, Pen::Rival]);
            let data = [Pen::Usual.bytes(0..4), Pen::Rival.bytes(4..6)].concat();
            model.assert_content(&data);
        }));
    }
}
