//! What the fields of a form beside the recording say.

/// Names and texts, in the order in which they came. What is no UTF-8 is made
/// some: it can be no sound value of anything.
#[derive(Debug, Default)]
pub struct Texts {
    ended: Vec<(String, String)>,
    /// Of the one that is being read.
    open: Vec<u8>,
}

impl Texts {
    /// The first one of this name that is not empty: an empty one is none.
    pub fn first(&self, name: &str) -> Option<&str> {
        let mut named = self.ended.iter().filter(|(found, _)| found == name);
        let first = named.find(|(_, text)| !text.is_empty());
        first.map(|(_, text)| text.as_str())
    }

    /// All whose name is one of those that are wanted.
    pub fn named(&self, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let named = self.ended.iter().filter(move |(name, _)| is_wanted(name));
        named.map(|(_, text)| text.as_str())
    }

    /// Takes some bytes of a text. The caller sees to it that there are not too
    /// many.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    /// The text is over.
    pub(super) fn end(&mut self, name: String) {
        let bytes = std::mem::take(&mut self.open);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.ended.push((name, text));
    }
}

#[cfg(test)]
impl Texts {
    /// Those of a form with these fields.
    pub fn of(fields: &[(&str, &str)]) -> Texts {
        let mut texts = Texts::default();
        for (name, text) in fields {
            texts.add(text.as_bytes());
            texts.end((*name).to_owned());
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_their_names() {
        let texts = Texts::of(&[("a", ""), ("b", "1"), ("a", "2"), ("a", "3")]);
        assert_eq!(texts.first("a"), Some("2"));
        assert_eq!(texts.first("c"), None);
        let named: Vec<&str> = texts.named(|name| name == "a").collect();
        assert_eq!(named, ["", "2", "3"]);
    }
}
