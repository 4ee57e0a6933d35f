//! What a client was told of a text, which cannot be taken back.

use crate::render::Joiner;

/// A text that is told segment by segment. When the engine is lost and begins
/// anew, it must come to the same.
#[derive(Debug, Default)]
pub struct Told {
    text: String,
    joiner: Joiner,
    /// How much of it was heard, this time.
    heard_bytes: usize,
}

/// It is not what was told before.
#[derive(Debug, PartialEq, Eq)]
pub struct Differs;

impl Told {
    /// It begins anew.
    pub fn again(&mut self) {
        self.joiner = Joiner::default();
        self.heard_bytes = 0;
    }

    /// The next segment: what of it is to be told, if anything.
    pub fn hear(&mut self, segment: &str) -> Result<Option<String>, Differs> {
        let heard = self.joiner.next(segment);
        let known = &self.text[self.heard_bytes..];
        if known.starts_with(&heard) {
            self.heard_bytes += heard.len();
            return Ok(None);
        }
        let delta = heard.strip_prefix(known).ok_or(Differs)?;
        self.text.push_str(delta);
        self.heard_bytes = self.text.len();
        Ok(Some(delta.to_owned()))
    }

    /// All of it, now that there is no more.
    pub fn end(&self) -> Result<&str, Differs> {
        match self.heard_bytes == self.text.len() {
            true => Ok(&self.text),
            false => Err(Differs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of several attempts.
    fn told(attempts: &[&[&str]]) -> Result<(Vec<String>, String), Differs> {
        let mut told = Told::default();
        let mut deltas = Vec::new();
        for segments in attempts {
            told.again();
            for segment in *segments {
                deltas.extend(told.hear(segment)?);
            }
        }
        let text = told.end()?.to_owned();
        assert_eq!(deltas.concat(), text);
        Ok((deltas, text))
    }

    #[test]
    fn nothing_is_told_twice() {
        let (deltas, text) = told(&[&["a", "b"], &["a", "b", "c"]]).unwrap();
        assert_eq!((deltas.len(), &*text), (3, "a b c"));
        // Cut elsewhere.
        let (deltas, text) = told(&[&["a b"], &["a", "b c", "d"]]).unwrap();
        assert_eq!(
            (deltas, &*text),
            (vec!["a b".into(), " c".into(), " d".into()], "a b c d")
        );
        assert_eq!(told(&[&[]]).unwrap().1, "");
    }

    #[test]
    fn other_words_are_noticed() {
        assert_eq!(told(&[&["a", "b"], &["a", "x"]]), Err(Differs));
        assert_eq!(
            told(&[&["a", "b"], &["a"]]),
            Err(Differs),
            "less than before"
        );
        assert_eq!(told(&[&["a"], &[]]), Err(Differs));
    }
}
