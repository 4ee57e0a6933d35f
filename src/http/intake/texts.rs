//! What the fields of a form beside the recording say.

use super::form::BadForm;

/// Names and texts, in the order in which they came. What is no UTF-8 is made
/// some: it can be no sound value of anything.
#[derive(Debug, Default)]
pub struct Texts {
    ended: Vec<(String, String)>,
    /// Of the one that is being read.
    open: Vec<u8>,
    read_bytes: usize,
}

impl Texts {
    /// How many there may be.
    pub const MAX: usize = 100;
    /// How much may be in them.
    pub const MAX_BYTES: usize = 64 << 10;

    /// The first one of this name that is not empty: an empty one is none.
    pub fn first(&self, name: &str) -> Option<&str> {
        let mut named = self.ended.iter().filter(|(found, _)| found == name);
        let first = named.find(|(_, text)| !text.is_empty());
        first.map(|(_, text)| text.as_str())
    }

    /// All of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.ended.iter().filter(move |(found, _)| found == name);
        named.map(|(_, text)| text.as_str())
    }

    /// Takes some bytes of a text.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), BadForm> {
        self.count(bytes.len())?;
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    /// The text is over.
    pub(super) fn end(&mut self, name: String) -> Result<(), BadForm> {
        self.count(name.len())?;
        if self.ended.len() >= Texts::MAX {
            return Err(BadForm::Texts);
        }
        let bytes = std::mem::take(&mut self.open);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.ended.push((name, text));
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), BadForm> {
        self.read_bytes += bytes;
        match self.read_bytes > Texts::MAX_BYTES {
            true => Err(BadForm::Texts),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
impl Texts {
    /// Those of a form with these fields.
    pub fn of(fields: &[(&str, &str)]) -> Texts {
        let mut texts = Texts::default();
        for (name, text) in fields {
            texts.add(text.as_bytes()).unwrap();
            texts.end((*name).to_owned()).unwrap();
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_their_names_and_limited() {
        let mut texts = Texts::of(&[("a", ""), ("b", "1"), ("a", "2"), ("a", "3")]);
        assert_eq!(texts.first("a"), Some("2"));
        assert_eq!(texts.first("c"), None);
        assert_eq!(texts.all("a").collect::<Vec<_>>(), ["", "2", "3"]);
        assert_eq!(texts.add(&[b'x'; Texts::MAX_BYTES]), Err(BadForm::Texts));
        let mut texts = Texts::default();
        for number in 0..Texts::MAX {
            texts.end(number.to_string()).unwrap();
        }
        assert_eq!(texts.end("one more".into()), Err(BadForm::Texts));
    }
}
