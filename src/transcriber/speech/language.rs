//! The names of languages, as Whisper has them.

/// Language of models that know only one.
pub const ENGLISH: &str = "en";

/// Whisper's code for a language, given its code or English name.
pub fn language_code(asked: &str) -> Option<&'static str> {
    // whisper-rs panics on a zero byte.
    if !asked
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || byte == b' ')
    {
        return None;
    }
    whisper_rs::get_lang_str(whisper_rs::get_lang_id(&asked.to_ascii_lowercase())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_codes() {
        for (asked, code) in [
            ("en", Some("en")),
            ("DE", Some("de")),
            ("german", Some("de")),
            ("xx", None),
            ("", None),
            ("e\0n", None),
        ] {
            assert_eq!(language_code(asked), code, "{asked:?}");
        }
    }
}
