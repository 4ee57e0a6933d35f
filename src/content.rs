//! Sniffs the type of a file from its first bytes, to reject files that are
//! certainly not recordings. The file name and the media type that a client
//! claims are ignored.

/// How many bytes at the start of a file are sniffed; Matroska needs more than 256.
pub const LOOK_BYTES: usize = 8192;

/// The magic of a compound file (old Office formats). The part by which `infer`
/// distinguishes these formats may be anywhere in the file.
const COMPOUND_FILE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Names the type of a file that is certainly not a recording, with its
/// article, as in "a text file"; `None` if the file may be a recording.
pub fn non_recording_type(start: &[u8]) -> Option<String> {
    // `infer` reports AMR as a shell script, and MIDI as audio.
    if start.starts_with(b"#!AMR") {
        return None;
    }
    for (magic, name) in [
        (COMPOUND_FILE, "an Office document (doc, xls or ppt)"),
        (b"MThd", "a MIDI file (notes, no sound)"),
    ] {
        if start.starts_with(magic) {
            return Some(name.to_owned());
        }
    }
    match infer::get(start) {
        Some(kind) => match kind.matcher_type() {
            infer::MatcherType::Audio | infer::MatcherType::Video => None,
            _ => Some(format!("a file of type {}", kind.mime_type())),
        },
        None => is_text(start).then(|| "a text file".to_owned()),
    }
}

/// The media type of a file that starts with these bytes, if it is known.
pub fn media_type(start: &[u8]) -> Option<&'static str> {
    match start {
        [b'#', b'!', b'A', b'M', b'R', b'-', b'W', b'B', ..] => Some("audio/amr-wb"),
        [b'#', b'!', b'A', b'M', b'R', ..] => Some("audio/amr"),
        _ => Some(infer::get(start)?.mime_type()),
    }
}

/// Whether this is UTF-8 without control characters, possibly truncated within
/// the last character, or UTF-16 with a byte order mark.
fn is_text(start: &[u8]) -> bool {
    if let [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] = start {
        // MPEG audio frames start with the same bytes, but no letters follow.
        let is_little = start[0] == 0xff;
        return rest.len() >= 2
            && rest.chunks_exact(2).take(32).all(|pair| {
                pair[usize::from(is_little)] == 0 && pair[usize::from(!is_little)] >= 9
            });
    }
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
    fn types_of_non_recordings_are_named() {
        let office = [COMPOUND_FILE, &[0; 100]].concat();
        let cases: [(&[u8], Option<&str>); 15] = [
            (b"", None),
            (b"Dear diary,\nnothing happened.\n", Some("a text file")),
            ("Grüße an alle – ü".as_bytes(), Some("a text file")),
            (
                "größer".as_bytes().split_last().unwrap().1,
                Some("a text file"),
            ),
            (b"\xff\xfeD\0e\0a\0r\0", Some("a text file")),
            (b"PK\x03\x04 and so on", Some("application/zip")),
            (b"%PDF-1.7\n", Some("application/pdf")),
            (b"\x89PNG\r\n\x1a\n....", Some("image/png")),
            (&office, Some("an Office document")),
            (b"MThd\0\0\0\x06\0\x01", Some("MIDI")),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", None),
            (b"ID3\x04\x00\x00\x00\x00\x00\x00", None),
            (b"\xff\xfa\x90\x00\x00\x00", None),
            (b"#!AMR-WB\n\x3c\x48", None),
            (b"#!AMR\n\x3c\x48", None),
        ];
        for (start, expected) in cases {
            let found = non_recording_type(start);
            match expected {
                Some(part) => assert!(
                    found.as_ref().is_some_and(|name| name.contains(part)),
                    "{found:?}"
                ),
                None => assert_eq!(found, None, "{start:?}"),
            }
        }
        assert_eq!(media_type(b"#!AMR-WB\n"), Some("audio/amr-wb"));
    }
}
