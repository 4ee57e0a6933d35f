//! The first look at a recording, before the engine opens it: files that are
//! plainly something else are told so by name. What passes here is judged by
//! the engine, which really tries to read it.

use crate::protocol::ACCEPTED;

/// How much of the start of a file is looked at; Matroska needs more than 256.
pub const LOOK_BYTES: usize = 8192;

/// Why this cannot be a recording; `None` if it may be one.
pub fn refusal(start: &[u8]) -> Option<String> {
    if start.is_empty() {
        return Some(format!("the file is empty; {ACCEPTED}"));
    }
    let seen = match infer::get(start) {
        Some(kind) => match kind.matcher_type() {
            infer::MatcherType::Audio | infer::MatcherType::Video => return None,
            _ => format!("a file of type {}", kind.mime_type()),
        },
        None if is_text(start) => "a text file".to_owned(),
        None => return None,
    };
    Some(format!("this is {seen}, not a recording; {ACCEPTED}"))
}

/// The media type that it begins like, if it is a known one.
pub fn media_type(start: &[u8]) -> Option<&'static str> {
    Some(infer::get(start)?.mime_type())
}

/// UTF-8 without control characters, maybe cut within the last character.
fn is_text(start: &[u8]) -> bool {
    let text = match str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && !text
            .chars()
            .any(|c| c.is_control() && !"\t\n\r\x0c".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plainly_no_recording_is_named() {
        let cases: [(&[u8], Option<&str>); 9] = [
            (b"", Some("empty")),
            (b"Dear diary,\nnothing happened.\n", Some("a text file")),
            ("Grüße an alle – ü".as_bytes(), Some("a text file")),
            (b"PK\x03\x04 and so on", Some("application/zip")),
            (b"%PDF-1.7\n", Some("application/pdf")),
            (b"\x89PNG\r\n\x1a\n....", Some("image/png")),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", None),
            (b"ID3\x04\x00\x00\x00\x00\x00\x00", None),
            (b"\xff\xfa\x90\x00\x00\x00", None),
        ];
        for (start, expected) in cases {
            let refusal = refusal(start);
            match expected {
                Some(part) => assert!(
                    refusal.as_ref().is_some_and(|why| why.contains(part)),
                    "{refusal:?}"
                ),
                None => assert_eq!(refusal, None, "{start:?}"),
            }
        }
    }
}
