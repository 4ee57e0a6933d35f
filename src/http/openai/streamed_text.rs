//! The text that was sent to a client and cannot be changed.

use sha2::{Digest, Sha256};

use crate::render::Joiner;

/// A text that is sent segment by segment. When the engine is lost and the
/// transcription restarts, it must give the same text. Of what was sent only a
/// digest is held, so that another text is noticed once as much has come again.
#[derive(Debug, Default)]
pub struct StreamedText {
    sent: Prefix,
    /// What this attempt has given.
    given: Prefix,
    joiner: Joiner,
}

/// The first bytes of a text.
#[derive(Debug, Default, Clone)]
struct Prefix {
    bytes: u64,
    digest: Sha256,
}

/// A new attempt gave another text than the one that was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Diverged;

impl StreamedText {
    /// Begins a new attempt.
    pub fn restart(&mut self) {
        self.joiner = Joiner::default();
        self.given = Prefix::default();
    }

    /// Adds a segment; returns what is to be sent of it, if anything.
    pub fn push(&mut self, segment: &str) -> Result<Option<String>, Diverged> {
        let mut added = self.joiner.next(segment);
        let known = self.sent.bytes - self.given.bytes;
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if known > 0 {
            let Some((again, delta)) = added.split_at_checked(known.min(added.len())) else {
                return Err(Diverged);
            };
            self.given.add(again);
            if self.given.bytes < self.sent.bytes {
                return Ok(None);
            }
            if !self.given.is_same_as(&self.sent) {
                return Err(Diverged);
            }
            if delta.is_empty() {
                return Ok(None);
            }
            added = delta.to_owned();
        }
        self.given.add(&added);
        self.sent = self.given.clone();
        Ok(Some(added))
    }

    /// Checks at the end that all of what was sent came again.
    pub fn end(&self) -> Result<(), Diverged> {
        match self.given.is_same_as(&self.sent) {
            true => Ok(()),
            false => Err(Diverged),
        }
    }
}

impl Prefix {
    fn add(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        self.digest.update(text);
    }

    fn is_same_as(&self, other: &Prefix) -> bool {
        let digest = |prefix: &Prefix| prefix.digest.clone().finalize();
        self.bytes == other.bytes && digest(self) == digest(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent of several attempts.
    fn sent(attempts: &[&[&str]]) -> Result<(Vec<String>, String), Diverged> {
        let mut text = StreamedText::default();
        let mut deltas = Vec::new();
        for segments in attempts {
            text.restart();
            for segment in *segments {
                deltas.extend(text.push(segment)?);
            }
        }
        text.end()?;
        let text = deltas.concat();
        Ok((deltas, text))
    }

    #[test]
    fn nothing_is_sent_twice() {
        let (deltas, text) = sent(&[&["a", "b"], &["a", "b", "c"]]).unwrap();
        assert_eq!((deltas.len(), &*text), (3, "a b c"));
        // Cut elsewhere.
        let (deltas, text) = sent(&[&["a b"], &["a", "b c", "d"]]).unwrap();
        assert_eq!(
            (deltas, &*text),
            (vec!["a b".into(), " c".into(), " d".into()], "a b c d")
        );
        assert_eq!(sent(&[&[]]).unwrap().1, "");
    }

    #[test]
    fn another_text_is_noticed() {
        assert_eq!(sent(&[&["a", "b"], &["a", "x"]]), Err(Diverged));
        assert_eq!(
            sent(&[&["a", "b"], &["a"]]),
            Err(Diverged),
            "less than before"
        );
        assert_eq!(sent(&[&["a"], &[]]), Err(Diverged));
        assert_eq!(sent(&[&["ab"], &["aé"]]), Err(Diverged), "within a letter");
        assert_eq!(sent(&[&["a", "b"], &["x", "b c"]]), Err(Diverged));
    }
}
