//! The languages Whisper knows, by its codes.

/// What stands for "find out yourself" wherever a language can be given.
pub const DETECT: &str = "auto";

/// Whisper's languages, code and English name, in the order of its tokens.
const LANGUAGES: [(&str, &str); 100] = [
    ("en", "english"),
    ("zh", "chinese"),
    ("de", "german"),
    ("es", "spanish"),
    ("ru", "russian"),
    ("ko", "korean"),
    ("fr", "french"),
    ("ja", "japanese"),
    ("pt", "portuguese"),
    ("tr", "turkish"),
    ("pl", "polish"),
    ("ca", "catalan"),
    ("nl", "dutch"),
    ("ar", "arabic"),
    ("sv", "swedish"),
    ("it", "italian"),
    ("id", "indonesian"),
    ("hi", "hindi"),
    ("fi", "finnish"),
    ("vi", "vietnamese"),
    ("he", "hebrew"),
    ("uk", "ukrainian"),
    ("el", "greek"),
    ("ms", "malay"),
    ("cs", "czech"),
    ("ro", "romanian"),
    ("da", "danish"),
    ("hu", "hungarian"),
    ("ta", "tamil"),
    ("no", "norwegian"),
    ("th", "thai"),
    ("ur", "urdu"),
    ("hr", "croatian"),
    ("bg", "bulgarian"),
    ("lt", "lithuanian"),
    ("la", "latin"),
    ("mi", "maori"),
    ("ml", "malayalam"),
    ("cy", "welsh"),
    ("sk", "slovak"),
    ("te", "telugu"),
    ("fa", "persian"),
    ("lv", "latvian"),
    ("bn", "bengali"),
    ("sr", "serbian"),
    ("az", "azerbaijani"),
    ("sl", "slovenian"),
    ("kn", "kannada"),
    ("et", "estonian"),
    ("mk", "macedonian"),
    ("br", "breton"),
    ("eu", "basque"),
    ("is", "icelandic"),
    ("hy", "armenian"),
    ("ne", "nepali"),
    ("mn", "mongolian"),
    ("bs", "bosnian"),
    ("kk", "kazakh"),
    ("sq", "albanian"),
    ("sw", "swahili"),
    ("gl", "galician"),
    ("mr", "marathi"),
    ("pa", "punjabi"),
    ("si", "sinhala"),
    ("km", "khmer"),
    ("sn", "shona"),
    ("yo", "yoruba"),
    ("so", "somali"),
    ("af", "afrikaans"),
    ("oc", "occitan"),
    ("ka", "georgian"),
    ("be", "belarusian"),
    ("tg", "tajik"),
    ("sd", "sindhi"),
    ("gu", "gujarati"),
    ("am", "amharic"),
    ("yi", "yiddish"),
    ("lo", "lao"),
    ("uz", "uzbek"),
    ("fo", "faroese"),
    ("ht", "haitian creole"),
    ("ps", "pashto"),
    ("tk", "turkmen"),
    ("nn", "nynorsk"),
    ("mt", "maltese"),
    ("sa", "sanskrit"),
    ("lb", "luxembourgish"),
    ("my", "myanmar"),
    ("bo", "tibetan"),
    ("tl", "tagalog"),
    ("mg", "malagasy"),
    ("as", "assamese"),
    ("tt", "tatar"),
    ("haw", "hawaiian"),
    ("ln", "lingala"),
    ("ha", "hausa"),
    ("ba", "bashkir"),
    ("jw", "javanese"),
    ("su", "sundanese"),
    ("yue", "cantonese"),
];

/// Not a language Whisper knows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language code of Whisper; use one like `en`, `de`, `fr`, or `auto`")]
pub struct UnknownLanguage(String);

/// A code in lower case, given one or an English name; `None` for [`DETECT`] or
/// nothing. A region is dropped: browsers say `en-US`.
pub fn parse(text: &str) -> Result<Option<String>, UnknownLanguage> {
    let told = text.trim().to_ascii_lowercase();
    let code = told.split(['-', '_']).next().unwrap_or_default();
    if code.is_empty() || code == DETECT {
        return Ok(None);
    }
    let is_told = |(known, name): &&(&str, &str)| *known == code || *name == told;
    match LANGUAGES.iter().find(is_told) {
        Some((code, _)) => Ok(Some((*code).to_owned())),
        None => Err(UnknownLanguage(text.chars().take(40).collect())),
    }
}

/// The English name of a code, in lower case; what is none stays as it is.
pub fn name(code: &str) -> &str {
    let known = LANGUAGES.iter().find(|(known, _)| *known == code);
    known.map_or(code, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_known_by_both_names() {
        for (code, name) in LANGUAGES {
            assert_eq!(parse(code), Ok(Some(code.to_owned())));
            assert_eq!(parse(name), Ok(Some(code.to_owned())));
            assert_eq!(super::name(code), name);
        }
        assert_eq!(super::name("xx"), "xx");
    }

    #[test]
    fn codes_are_taken_as_people_write_them() {
        assert_eq!(parse("auto"), Ok(None));
        assert_eq!(parse(" "), Ok(None));
        assert_eq!(parse("DE"), Ok(Some("de".into())));
        assert_eq!(parse("en-US"), Ok(Some("en".into())));
        assert_eq!(parse("German"), Ok(Some("de".into())));
        assert_eq!(parse("haitian creole"), Ok(Some("ht".into())));
        assert!(parse("klingon").is_err());
    }
}
