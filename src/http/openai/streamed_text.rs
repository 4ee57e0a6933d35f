//! The text that was sent to a client and cannot be changed.

use crate::render::Joiner;

/// A text that is sent segment by segment. When the engine is lost and the
/// transcription restarts, it must give the same text.
#[derive(Debug, Default)]
pub struct StreamedText {
    text: String,
    joiner: Joiner,
    /// Bytes of the text that this attempt has given.
    given_bytes: usize,
}

/// A new attempt gave another text than the one that was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Diverged;

impl StreamedText {
    /// Begins a new attempt.
    pub fn restart(&mut self) {
        self.joiner = Joiner::default();
        self.given_bytes = 0;
    }

    /// Adds a segment; returns what is to be sent of it, if anything.
    pub fn push(&mut self, segment: &str) -> Result<Option<String>, Diverged> {
        let added = self.joiner.next(segment);
        let known = &self.text[self.given_bytes..];
        if known.starts_with(&added) {
            self.given_bytes += added.len();
            return Ok(None);
        }
        let delta = added.strip_prefix(known).ok_or(Diverged)?;
        self.text.push_str(delta);
        self.given_bytes = self.text.len();
        Ok(Some(delta.to_owned()))
    }

    /// The whole text, at the end.
    pub fn end(&self) -> Result<&str, Diverged> {
        match self.given_bytes == self.text.len() {
            true => Ok(&self.text),
            false => Err(Diverged),
        }
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
        let text = text.end()?.to_owned();
        assert_eq!(deltas.concat(), text);
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
    }
}
