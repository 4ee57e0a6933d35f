//! Content-Disposition: the name of a file (RFC 6266).

use hyper::header::{CONTENT_DISPOSITION, HeaderMap};
use percent_encoding::percent_decode_str;

/// The file name of a body. Many clients send plain UTF-8.
pub fn filename(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_DISPOSITION)?;
    filename_in(str::from_utf8(value.as_bytes()).ok()?)
}

/// The name of a form field, and that of its file (RFC 7578, section 4.2). Clients
/// send plain UTF-8.
pub fn field(headers: &HeaderMap) -> (Option<String>, Option<String>) {
    let value = headers.get(CONTENT_DISPOSITION);
    let value = String::from_utf8_lossy(value.map_or(&[], |value| value.as_bytes()));
    (parameter(&value, "name"), filename_in(&value))
}

fn filename_in(value: &str) -> Option<String> {
    // The extended form wins (section 4.3).
    let name = parameter(value, "filename*")
        .and_then(|name| extended(&name))
        .or_else(|| parameter(value, "filename"))?;
    (!name.is_empty()).then_some(name)
}

fn parameter(value: &str, wanted: &str) -> Option<String> {
    parameters(value)
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value)
}

/// `; name=value` after the type; a value may be quoted.
fn parameters(value: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_start_matches([';', ' ', '\t']).trim_end();
        let after = after.trim_start();
        let (value, end) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        rest = end;
        Some((name, value))
    })
}

/// The content of a quoted string, and what follows it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            char => value.push(char),
        }
    }
    (value, "")
}

/// `UTF-8'language'percent-encoded` (RFC 8187, section 3.2).
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let name = percent_decode_str(encoded).decode_utf8().ok()?;
    Some(name.into_owned())
}

/// The last part of a path without control characters.
pub fn display_name(name: &str) -> String {
    const NAME_MAX_CHARS: usize = 255;
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars()
        .filter(|c| !c.is_control())
        .take(NAME_MAX_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_form() {
        for (value, expected) in [
            ("attachment; filename=a.wav", Some("a.wav")),
            ("inline; filename=\"a b.wav\"", Some("a b.wav")),
            ("inline;FILENAME=\"a\\\"b;c.wav\" ; x=y", Some("a\"b;c.wav")),
            (
                "inline; filename=\"a.wav\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.wav",
                Some("größe.wav"),
            ),
            ("inline; filename*=utf-8'de'%e2%82%ac", Some("€")),
            ("inline; filename*=latin1''a; filename=b", Some("b")),
            ("inline; filename*=UTF-8''%ff; filename=b", Some("b")),
            ("inline; filename=\"never ends", Some("never ends")),
            ("inline; filename=\"\"", None),
            ("inline; filename", None),
            ("inline", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_DISPOSITION, value.parse().unwrap());
            assert_eq!(filename(&headers).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn fields_have_a_name_and_maybe_a_file() {
        for (value, name, file) in [
            (
                "form-data; name=\"file\"; filename=\"größe.wav\"",
                Some("file"),
                Some("größe.wav"),
            ),
            (
                "form-data; filename=\"a; name=x\"; name=file",
                Some("file"),
                Some("a; name=x"),
            ),
            ("form-data; name=\"a\\\"b\"", Some("a\"b"), None),
            ("form-data; filename=\"\"; NAME=file", Some("file"), None),
            ("form-data", None, None),
        ] {
            let mut headers = HeaderMap::new();
            let header = hyper::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.insert(CONTENT_DISPOSITION, header);
            let found = field(&headers);
            assert_eq!(
                (found.0.as_deref(), found.1.as_deref()),
                (name, file),
                "{value}"
            );
        }
        assert_eq!(field(&HeaderMap::new()), (None, None));
    }

    #[test]
    fn names_are_made_presentable() {
        for (given, shown) in [
            ("a.wav", "a.wav"),
            ("C:\\Users\\me\\a.wav", "a.wav"),
            ("../../etc/passwd", "passwd"),
            ("a\x1b[31m\n.wav", "a[31m.wav"),
        ] {
            assert_eq!(display_name(given), shown);
        }
    }
}
