//! The words of a segment, out of the model's tokens.

use whisper_rs::{WhisperContext, WhisperSegment};

/// Languages that write no spaces between words: every character there is a
/// word of its own, as far as times go.
const WITHOUT_SPACES: [&str; 7] = ["zh", "ja", "th", "lo", "my", "km", "yue"];

/// A word as the model says it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpokenWord {
    /// Seconds within its window.
    pub start_s: f64,
    /// Seconds within its window.
    pub end_s: f64,
    /// Without spaces around it.
    pub text: String,
    /// Mean probability of its tokens.
    pub score: f64,
}

/// whisper.cpp counts in hundredths.
pub(super) fn seconds(centiseconds: i64) -> f64 {
    centiseconds as f64 / 100.0
}

/// A token of text.
#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    /// Of text in UTF-8, of which a character may go on in the next token.
    bytes: &'a [u8],
    start_s: f64,
    end_s: f64,
    probability: f64,
}

/// The words of a segment in this language.
pub(super) fn words(
    segment: &WhisperSegment<'_>,
    context: &WhisperContext,
    language: &str,
) -> Vec<SpokenWord> {
    let tokens = (0..segment.n_tokens()).filter_map(|index| {
        let data = segment.get_token(index)?.token_data();
        // From there on they are no text.
        if data.id >= context.token_eot() {
            return None;
        }
        Some(Token {
            bytes: context.token_to_bytes(data.id).ok()?,
            start_s: seconds(data.t0),
            end_s: seconds(data.t1),
            probability: f64::from(data.p),
        })
    });
    group(tokens, !WITHOUT_SPACES.contains(&language))
}

/// Puts tokens together to words: one begins where a space is, or with every
/// character where there are none.
fn group<'a>(tokens: impl Iterator<Item = Token<'a>>, has_spaces: bool) -> Vec<SpokenWord> {
    let mut words = Vec::new();
    let mut open: Vec<Token<'a>> = Vec::new();
    for token in tokens.filter(|token| !token.bytes.is_empty()) {
        let begins = match has_spaces {
            true => token.bytes[0] == b' ',
            false => is_whole(&open) && !is_punctuation(token.bytes),
        };
        if begins {
            words.extend(word(&open));
            open.clear();
        }
        open.push(token);
    }
    words.extend(word(&open));
    words
}

/// Whether these end with a whole character.
fn is_whole(tokens: &[Token<'_>]) -> bool {
    std::str::from_utf8(&bytes(tokens)).is_ok()
}

fn is_punctuation(bytes: &[u8]) -> bool {
    // ASCII, and the signs of Chinese and Japanese.
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars().all(|c| {
            c.is_ascii_punctuation() || matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}')
        })
    })
}

fn word(tokens: &[Token<'_>]) -> Option<SpokenWord> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let bytes = bytes(tokens);
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    let sum: f64 = tokens.iter().map(|token| token.probability).sum();
    (!text.is_empty()).then(|| SpokenWord {
        start_s: first.start_s,
        end_s: last.end_s.max(first.start_s),
        text,
        score: sum / tokens.len() as f64,
    })
}

fn bytes(tokens: &[Token<'_>]) -> Vec<u8> {
    tokens
        .iter()
        .flat_map(|token| token.bytes)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second each.
    fn grouped(tokens: &[&[u8]], has_spaces: bool) -> Vec<(String, f64, f64)> {
        let tokens = tokens.iter().zip(0..).map(|(bytes, index)| Token {
            bytes,
            start_s: f64::from(index) / 2.0,
            end_s: f64::from(index + 1) / 2.0,
            probability: 0.5,
        });
        let words = group(tokens, has_spaces).into_iter();
        words
            .map(|word| (word.text, word.start_s, word.end_s))
            .collect()
    }

    #[test]
    fn tokens_become_words() {
        let english: [&[u8]; 7] = [b" Dear", b"", b" O", b"'Ne", b"ill", b",", b" "];
        let expected = [
            ("Dear".to_owned(), 0.0, 0.5),
            ("O'Neill,".to_owned(), 1.0, 3.0),
        ];
        assert_eq!(grouped(&english, true), expected);
        assert!(grouped(&[], true).is_empty());
        // A character in two tokens, and punctuation that goes with the last.
        let bytes = "日本。".as_bytes();
        let japanese = [&bytes[..3], &bytes[3..4], &bytes[4..6], &bytes[6..]];
        let expected = [("日".to_owned(), 0.0, 0.5), ("本。".to_owned(), 0.5, 2.0)];
        assert_eq!(grouped(&japanese, false), expected);
        // Cut in the middle of a character: shown as what it is.
        assert_eq!(grouped(&[&bytes[..2]], false)[0].0, "\u{fffd}");
    }
}
