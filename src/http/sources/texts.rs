//! The text fields of a form.

/// Names and texts in the order of the form. Invalid UTF-8 is replaced: no field
/// has a valid value with it.
#[derive(Debug, Default)]
pub struct Texts {
    ended: Vec<(String, String)>,
    /// The bytes of the field that is being read.
    open: Vec<u8>,
}

impl Texts {
    /// The first text of this name that is not empty.
    pub fn first(&self, name: &str) -> Option<&str> {
        let mut named = self.ended.iter().filter(|(found, _)| found == name);
        let first = named.find(|(_, text)| !text.is_empty());
        first.map(|(_, text)| text.as_str())
    }

    /// All texts whose names match.
    pub fn named(&self, matches: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let named = self.ended.iter().filter(move |(name, _)| matches(name));
        named.map(|(_, text)| text.as_str())
    }

    /// Adds bytes of a text. The caller limits them.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    /// Ends the text of a field.
    pub(super) fn end(&mut self, name: String) {
        let bytes = std::mem::take(&mut self.open);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.ended.push((name, text));
    }
}

#[cfg(test)]
impl Texts {
    /// The texts of a form with these fields.
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
