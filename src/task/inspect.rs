//! The first look at a recording, before the engine opens it: files that are
//! plainly something else are refused by name. What passes here is judged by
//! the engine, which really tries to read it.

use crate::content;
use crate::protocol::ACCEPTED;

/// Why this cannot be a recording; `None` if it may be one.
pub fn refusal(start: &[u8]) -> Option<String> {
    if start.is_empty() {
        return Some(format!("the file is empty; {ACCEPTED}"));
    }
    let name = content::non_recording_type(start)?;
    Some(format!("this is {name}, not a recording; {ACCEPTED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_what_it_is_and_what_is_accepted() {
        for (start, expected) in [
            (&b""[..], Some("the file is empty; accepted are")),
            (
                b"%PDF-1.7\n",
                Some("this is a file of type application/pdf, not a recording; accepted"),
            ),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", None),
        ] {
            let refusal = refusal(start);
            assert_eq!(refusal.is_some(), expected.is_some(), "{refusal:?}");
            assert!(
                refusal
                    .unwrap_or_default()
                    .starts_with(expected.unwrap_or_default())
            );
        }
    }
}
