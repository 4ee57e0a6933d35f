//! Whisper's languages and their codes.

use strsim::jaro_winkler;

/// The value that means language detection wherever a language can be given.
pub const DETECT: &str = "auto";

/// Whisper's languages in the order of its tokens: Whisper's code, the English
/// name, and other names that clients use, separated by spaces.
///
/// The third column holds the codes of ISO 639-2 and 639-3, withdrawn codes
/// (`iw`), single members of a macrolanguage (`nb`, `cmn`, `zsm`, dialects of
/// Arabic) and the aliases of openai-whisper (`castilian`). Some languages are
/// mapped to the related one that Whisper supports: Swiss German and Bavarian to
/// German, Dari to Persian, Flemish to Dutch. Serbo-Croatian (`sh`) is Serbian, as in the IANA
/// registry of language subtags and CLDR.
const LANGUAGES: [(&str, &str, &str); 100] = [
    ("en", "english", "eng"),
    ("zh", "chinese", "zho chi cmn mandarin"),
    ("de", "german", "deu ger gsw bar"),
    ("es", "spanish", "spa castilian"),
    ("ru", "russian", "rus"),
    ("ko", "korean", "kor"),
    ("fr", "french", "fra fre"),
    ("ja", "japanese", "jpn"),
    ("pt", "portuguese", "por"),
    ("tr", "turkish", "tur"),
    ("pl", "polish", "pol"),
    ("ca", "catalan", "cat valencian"),
    ("nl", "dutch", "nld dut vls flemish"),
    (
        "ar",
        "arabic",
        "ara arb arz apc ajp acm afb ary arq aeb acw ars",
    ),
    ("sv", "swedish", "swe"),
    ("it", "italian", "ita"),
    ("id", "indonesian", "ind in"),
    ("hi", "hindi", "hin"),
    ("fi", "finnish", "fin"),
    ("vi", "vietnamese", "vie"),
    ("he", "hebrew", "heb iw"),
    ("uk", "ukrainian", "ukr"),
    ("el", "greek", "ell gre"),
    ("ms", "malay", "msa may zsm"),
    ("cs", "czech", "ces cze"),
    ("ro", "romanian", "ron rum mo mol moldavian moldovan"),
    ("da", "danish", "dan"),
    ("hu", "hungarian", "hun"),
    ("ta", "tamil", "tam"),
    ("no", "norwegian", "nor nb nob bokmål bokmal"),
    ("th", "thai", "tha"),
    ("ur", "urdu", "urd"),
    ("hr", "croatian", "hrv scr"),
    ("bg", "bulgarian", "bul"),
    ("lt", "lithuanian", "lit"),
    ("la", "latin", "lat"),
    ("mi", "maori", "mri mao"),
    ("ml", "malayalam", "mal"),
    ("cy", "welsh", "cym wel"),
    ("sk", "slovak", "slk slo"),
    ("te", "telugu", "tel"),
    ("fa", "persian", "fas per pes prs farsi dari"),
    ("lv", "latvian", "lav lvs"),
    ("bn", "bengali", "ben bangla"),
    ("sr", "serbian", "srp scc sh hbs cnr"),
    ("az", "azerbaijani", "aze azj azb"),
    ("sl", "slovenian", "slv"),
    ("kn", "kannada", "kan"),
    ("et", "estonian", "est ekk"),
    ("mk", "macedonian", "mkd mac"),
    ("br", "breton", "bre"),
    ("eu", "basque", "eus baq"),
    ("is", "icelandic", "isl ice"),
    ("hy", "armenian", "hye arm"),
    ("ne", "nepali", "nep npi"),
    ("mn", "mongolian", "mon khk"),
    ("bs", "bosnian", "bos"),
    ("kk", "kazakh", "kaz"),
    ("sq", "albanian", "sqi alb als"),
    ("sw", "swahili", "swa swh"),
    ("gl", "galician", "glg"),
    ("mr", "marathi", "mar"),
    ("pa", "punjabi", "pan panjabi"),
    ("si", "sinhala", "sin sinhalese"),
    ("km", "khmer", "khm"),
    ("sn", "shona", "sna"),
    ("yo", "yoruba", "yor"),
    ("so", "somali", "som"),
    ("af", "afrikaans", "afr"),
    ("oc", "occitan", "oci"),
    ("ka", "georgian", "kat geo"),
    ("be", "belarusian", "bel"),
    ("tg", "tajik", "tgk"),
    ("sd", "sindhi", "snd"),
    ("gu", "gujarati", "guj"),
    ("am", "amharic", "amh"),
    ("yi", "yiddish", "yid ji ydd"),
    ("lo", "lao", ""),
    ("uz", "uzbek", "uzb uzn"),
    ("fo", "faroese", "fao"),
    ("ht", "haitian creole", "hat haitian"),
    ("ps", "pashto", "pus pbt pushto"),
    ("tk", "turkmen", "tuk"),
    ("nn", "nynorsk", "nno"),
    ("mt", "maltese", "mlt"),
    ("sa", "sanskrit", "san"),
    ("lb", "luxembourgish", "ltz letzeburgesch"),
    ("my", "myanmar", "mya bur burmese"),
    ("bo", "tibetan", "bod tib"),
    ("tl", "tagalog", "tgl fil filipino"),
    ("mg", "malagasy", "mlg plt"),
    ("as", "assamese", "asm"),
    ("tt", "tatar", "tat"),
    ("haw", "hawaiian", ""),
    ("ln", "lingala", "lin"),
    ("ha", "hausa", "hau"),
    ("ba", "bashkir", "bak"),
    ("jw", "javanese", "jv jav"),
    ("su", "sundanese", "sun"),
    ("yue", "cantonese", ""),
];

/// The text names no language that Whisper knows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{asked}` is not a language Whisper knows; {}", advice(.nearest))]
pub struct UnknownLanguage {
    asked: String,
    /// The most similar name, and its code.
    nearest: Option<(&'static str, &'static str)>,
}

fn advice(nearest: &Option<(&str, &str)>) -> String {
    match nearest {
        Some((name, code)) => format!("did you mean `{name}` ({code})?"),
        None => format!("use a code like `en`, `de` or `pt-BR`, or `{DETECT}`"),
    }
}

/// Parses a language into Whisper's code; `None` for [`DETECT`] or empty text.
///
/// Accepts an English name, an ISO 639 code, a BCP 47 tag (`zh-Hant-TW`) or a
/// POSIX locale (`pt_BR.UTF-8`), in any case. Region, script and variants are
/// dropped, as they do not determine the spoken language: `zh-HK` is Chinese.
/// Cantonese, which only the newest models know, is `yue` or `zh-yue`.
pub fn parse(text: &str) -> Result<Option<String>, UnknownLanguage> {
    let asked = text.trim().to_lowercase();
    if asked.is_empty() || asked == DETECT {
        return Ok(None);
    }
    match named(&asked).or_else(|| tagged(&asked)) {
        Some(code) => Ok(Some(code.to_owned())),
        None => Err(UnknownLanguage {
            asked: text.trim().chars().take(40).collect(),
            nearest: nearest(&asked),
        }),
    }
}

/// The code of the language with this name or code.
fn named(asked: &str) -> Option<&'static str> {
    let is_asked = |(code, name, others): &&(&str, &str, &str)| {
        *code == asked || *name == asked || others.split(' ').any(|other| other == asked)
    };
    let known = LANGUAGES.iter().find(is_asked);
    known.filter(|_| !asked.is_empty()).map(|(code, ..)| *code)
}

/// The code of the language in a BCP 47 tag or POSIX locale.
fn tagged(asked: &str) -> Option<&'static str> {
    let tag = asked.split(['.', '@']).next().unwrap_or_default();
    let mut subtags = tag.split(['-', '_']);
    let language = subtags.next().filter(|code| is_code(code))?;
    let mut rest = subtags.clone();
    if !rest.all(|subtag| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }) {
        return None;
    }
    // The second subtag may be a language itself (RFC 5646, section 2.2.2).
    let extended = subtags
        .next()
        .filter(|code| code.len() == 3 && is_code(code));
    extended.and_then(named).or_else(|| named(language))
}

fn is_code(subtag: &str) -> bool {
    (2..=3).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The most similar name, and its code. Codes are too short to be compared.
fn nearest(asked: &str) -> Option<(&'static str, &'static str)> {
    let names = LANGUAGES.iter().flat_map(|(code, name, others)| {
        let names = std::iter::once(*name).chain(others.split(' '));
        names
            .filter(|name| name.len() > 3)
            .map(|name| (name, *code))
    });
    names
        .map(|known| (jaro_winkler(asked, known.0), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| asked.len() > 3 && *likeness > 0.8)
        .map(|(_, known)| known)
}

/// The English name of a code, in lower case; an unknown code is returned as it is.
pub fn name(code: &str) -> &str {
    let known = LANGUAGES.iter().find(|(known, ..)| *known == code);
    known.map_or(code, |(_, name, _)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_for_exactly_one_language() {
        let mut seen = HashSet::new();
        for (code, name, others) in LANGUAGES {
            assert_eq!(super::name(code), name);
            let names: HashSet<&str> = [code, name].into_iter().chain(others.split(' ')).collect();
            for name in names.into_iter().filter(|name| !name.is_empty()) {
                assert_eq!(parse(name), Ok(Some(code.to_owned())), "{name}");
                assert!(seen.insert(name), "{name} stands for two languages");
            }
            let mut codes = others.split(' ').chain([code, name]);
            assert!(codes.any(|code| code.len() == 3), "{code} in ISO 639-2");
        }
        assert_eq!(super::name("xx"), "xx");
    }

    #[test]
    fn names_codes_tags_and_locales_are_parsed() {
        for (asked, code) in [
            ("", None),
            (" ", None),
            ("auto", None),
            ("AUTO ", None),
            ("DE", Some("de")),
            (" German\n", Some("de")),
            ("haitian creole", Some("ht")),
            // With region, script and more.
            ("en-US", Some("en")),
            ("pt_BR", Some("pt")),
            ("zh-Hant-TW", Some("zh")),
            ("ZH_HANS_cn", Some("zh")),
            ("sr-Latn", Some("sr")),
            ("es-419", Some("es")),
            ("de-CH-1996", Some("de")),
            ("en-US-x-twain", Some("en")),
            ("ca-ES-valencia", Some("ca")),
            ("de_DE.UTF-8", Some("de")),
            ("ca_ES@valencia", Some("ca")),
            ("eng-GB", Some("en")),
            // Cantonese only where it is named.
            ("yue-Hant-HK", Some("yue")),
            ("zh-yue", Some("yue")),
            ("zh-yue-HK", Some("yue")),
            ("zh-HK", Some("zh")),
            ("zh-cmn-Hans", Some("zh")),
            ("zh-min-nan", Some("zh")),
            ("ar-arb", Some("ar")),
            // Related languages, withdrawn codes, three-letter codes.
            ("nb", Some("no")),
            ("nb-NO", Some("no")),
            ("nn-NO", Some("nn")),
            ("nno", Some("nn")),
            ("iw-IL", Some("he")),
            ("in", Some("id")),
            ("ji", Some("yi")),
            ("fil-PH", Some("tl")),
            ("jv", Some("jw")),
            ("gsw-CH", Some("de")),
            ("cmn-Hans-CN", Some("zh")),
            ("mo", Some("ro")),
            ("sh", Some("sr")),
            ("prs", Some("fa")),
            ("arz", Some("ar")),
            ("Mandarin", Some("zh")),
            ("Castilian", Some("es")),
            ("FLEMISH", Some("nl")),
            ("burmese", Some("my")),
            ("Bokmål", Some("no")),
        ] {
            assert_eq!(parse(asked), Ok(code.map(str::to_owned)), "{asked:?}");
        }
    }

    #[test]
    fn unknown_languages_are_rejected_with_the_nearest_name() {
        for (asked, advice) in [
            ("germn", "did you mean `german` (de)?"),
            ("Englisch", "did you mean `english` (en)?"),
            ("mandarine", "did you mean `mandarin` (zh)?"),
            ("klingon", "use a code"),
            ("xx", "use a code"),
            ("xxx-US", "use a code"),
            ("-", "use a code"),
            ("en-", "use a code"),
            ("en--US", "use a code"),
            ("e\0n", "use a code"),
            ("german-AT", "did you mean `german` (de)?"),
            ("x-klingon", "use a code"),
            ("en US", "use a code"),
        ] {
            let refused = parse(asked).unwrap_err().to_string();
            assert!(refused.contains(advice), "{asked:?}: {refused}");
            assert!(
                refused.contains("not a language Whisper knows"),
                "{refused}"
            );
        }
        let long = parse(&"x".repeat(1000)).unwrap_err().to_string();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn whisper_has_every_code() {
        for (code, name, _) in LANGUAGES {
            let id = whisper_rs::get_lang_id(code);
            assert_eq!(id.and_then(whisper_rs::get_lang_str), Some(code), "{name}");
        }
    }
}
