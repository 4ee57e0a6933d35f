//! Upload-Metadata (creation extension): `key base64,key base64,key`.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Pairs as the client sent them, keys unique.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Vec<u8>)>);

impl Metadata {
    /// Parses the header; the error describes the fault.
    pub fn parse(header: &str) -> Result<Metadata, String> {
        let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
        let mut keys = HashSet::new();
        if header.trim().is_empty() {
            return Ok(Metadata::default());
        }
        for pair in header.split(',') {
            let mut words = pair.split_ascii_whitespace();
            let key = words.next().ok_or("there is an empty pair")?;
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("a key is not ASCII".into());
            }
            let value = STANDARD
                .decode(words.next().unwrap_or_default())
                .map_err(|_| format!("the value of `{key}` is not Base64"))?;
            if words.next().is_some() {
                return Err(format!("`{key}` has more than one value"));
            }
            if !keys.insert(key) {
                return Err(format!("the key `{key}` is there twice"));
            }
            pairs.push((key.to_owned(), value));
        }
        Ok(Metadata(pairs))
    }

    /// A value that must be text.
    pub fn text(&self, key: &str) -> Result<Option<String>, String> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| {
                String::from_utf8(value.clone())
                    .map_err(|_| format!("the value of `{key}` is not UTF-8"))
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_wrong_ones_named() {
        let metadata = Metadata::parse("filename w6QubXAz, empty ,lone,model YmFzZQ==").unwrap();
        assert_eq!(metadata.text("filename"), Ok(Some("ä.mp3".into())));
        assert_eq!(metadata.text("empty"), Ok(Some(String::new())));
        assert_eq!(metadata.text("lone"), Ok(Some(String::new())));
        assert_eq!(metadata.text("none"), Ok(None));
        assert_eq!(Metadata::parse(""), Ok(Metadata::default()));
        for (header, part) in [
            ("filename not-base64!", "not Base64"),
            ("a YQ==,a Yg==", "twice"),
            ("a YQ== Yg==", "more than one"),
            ("a YQ==,,b Yg==", "empty pair"),
            ("ä YQ==", "not ASCII"),
        ] {
            let error = Metadata::parse(header).unwrap_err();
            assert!(error.contains(part), "{header}: {error}");
        }
        assert!(Metadata::parse("a /w==").unwrap().text("a").is_err());
    }
}
