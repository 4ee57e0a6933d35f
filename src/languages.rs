//! The languages Whisper knows, by its codes.

/// What stands for "find out yourself" wherever a language can be given.
pub const DETECT: &str = "auto";

/// Whisper's language codes, in the order of its tokens.
const CODES: [&str; 100] = [
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it",
    "id", "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur",
    "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn",
    "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si",
    "km", "sn", "yo", "so", "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo",
    "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln",
    "ha", "ba", "jw", "su", "yue",
];

/// Not a language Whisper knows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language code of Whisper; use one like `en`, `de`, `fr`, or `auto`")]
pub struct UnknownLanguage(String);

/// A code in lower case, `None` for [`DETECT`] or nothing. A region is dropped:
/// browsers say `en-US`.
pub fn parse(text: &str) -> Result<Option<String>, UnknownLanguage> {
    let code = text.trim().to_ascii_lowercase();
    let code = code.split(['-', '_']).next().unwrap_or_default();
    if code.is_empty() || code == DETECT {
        return Ok(None);
    }
    if CODES.contains(&code) {
        return Ok(Some(code.to_owned()));
    }
    Err(UnknownLanguage(text.chars().take(40).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_as_people_write_them() {
        assert_eq!(parse("auto"), Ok(None));
        assert_eq!(parse(" "), Ok(None));
        assert_eq!(parse("DE"), Ok(Some("de".into())));
        assert_eq!(parse("en-US"), Ok(Some("en".into())));
        assert!(parse("klingon").is_err());
    }
}
