//! Options that are about a model's tokens.

use scribed::options::Options;
use whisper_rs::{WhisperContext, WhisperTokenId};

use super::error::TranscribeError;
use super::model::Model;

/// The options in the tokens of one model.
#[derive(Debug, Default)]
pub struct Tokens {
    /// The text that is said to come before each window.
    pub(super) prompt: Vec<WhisperTokenId>,
    /// Never written. All of them are tokens of text.
    pub(super) banned: Vec<WhisperTokenId>,
}

impl Model {
    /// Puts options into this model's tokens.
    pub fn tokens(&self, options: &Options) -> Result<Tokens, TranscribeError> {
        let prompt = match &options.initial_prompt {
            // Not `set_initial_prompt`, which leaks its text. No token is shorter
            // than a byte, and Whisper puts a space before the first one.
            Some(prompt) => {
                let prompt = format!(" {}", prompt.trim());
                self.context.tokenize(&prompt, prompt.len() + 1)?
            }
            None => Vec::new(),
        };
        // Those from here on say what the text is, and where it ends.
        let texts = 0..self.context.token_eot();
        let mut banned: Vec<WhisperTokenId> = Vec::new();
        let named = options.suppress_tokens.iter().copied();
        banned.extend(named.filter(|token| texts.contains(token)));
        if options.suppress_numerals == Some(true) {
            banned.extend(texts.filter(|token| is_numeral(&self.context, *token)));
        }
        Ok(Tokens { prompt, banned })
    }
}

/// Has a digit in it, or one of the signs that go with digits: 20 % and $20 are
/// to be said in words, too.
fn is_numeral(context: &WhisperContext, token: WhisperTokenId) -> bool {
    const POUND: &[u8] = "£".as_bytes();
    context.token_to_bytes(token).is_ok_and(|bytes| {
        bytes
            .iter()
            .any(|byte| byte.is_ascii_digit() || b"%$".contains(byte))
            || bytes.windows(POUND.len()).any(|window| window == POUND)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pulse::Pulse;
    use crate::speech::{Cutter, ModelState, Task};
    use crate::testing::{self, PHRASE};

    /// What the demo model hears of [`PHRASE`] with such options.
    fn heard(state: &mut ModelState, options: &Options) -> String {
        let tokens = state.model().tokens(options).unwrap();
        let mut cutter = Cutter::default();
        cutter.push(&testing::decoded(&testing::spoken(PHRASE)));
        cutter.finish();
        let stop = std::sync::atomic::AtomicBool::new(false);
        let pulse = Pulse::new(&stop, &|| ());
        let mut texts = Vec::new();
        while let Some(window) = cutter.next_window() {
            let task = Task {
                language: "en",
                options,
                tokens: &tokens,
            };
            let segments = state.transcribe(&window, task, 0.0, &pulse).unwrap();
            texts.extend(segments.into_iter().map(|segment| segment.text));
        }
        texts.join(" ")
    }

    fn wish(name: &str, value: &str) -> Options {
        let mut options = Options::default();
        options.set(name, value).unwrap();
        options
    }

    #[test]
    fn wishes_reach_the_model() {
        let mut state = Model::demo(1).unwrap();
        assert_eq!(heard(&mut state, &Options::default()), PHRASE);
        // These change how it is found, and not what is said.
        for (name, value) in [
            ("beam_size", "5"),
            ("beam_size", "8"),
            ("best_of", "8"),
            ("patience", "2"),
            ("length_penalty", "1"),
            ("compression_ratio_threshold", "2.4"),
            ("log_prob_threshold", "-1"),
            ("suppress_tokens", "-1,99999999"),
            ("suppress_numerals", "true"),
            ("task", "transcribe"),
        ] {
            assert_eq!(
                heard(&mut state, &wish(name, value)),
                PHRASE,
                "{name}={value}"
            );
        }
        // More than any model can take before a window, or nothing it knows.
        let options = wish("initial_prompt", &"one two ".repeat(125));
        let prompt = state.model().tokens(&options).unwrap().prompt;
        assert!(prompt.len() >= 250, "{}", prompt.len());
        heard(&mut state, &options);
        for odd in ["\u{1f600}", "a", "(", "\u{e4}", "7", "[_SOT_]<|endoftext|>"] {
            let odd = odd.repeat(1000 / odd.chars().count());
            heard(&mut state, &wish("initial_prompt", &odd));
        }
        // Never sure enough, and never speech.
        let mut options = wish("no_speech_threshold", "0");
        options.set("log_prob_threshold", "0").unwrap();
        options.set("temperatures", "1").unwrap();
        assert_eq!(heard(&mut state, &options), "");
    }

    #[test]
    fn suppressed_tokens_are_not_written() {
        let mut state = Model::demo(1).unwrap();
        let word = PHRASE.split(' ').next().unwrap();
        let tokens = state
            .model()
            .context
            .tokenize(&format!(" {word}"), 100)
            .unwrap();
        let named: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        for (name, value) in [
            ("suppress_tokens", named.join(",")),
            ("suppress_tokens", format!("-1, {}", named.join(" , "))),
        ] {
            let text = heard(&mut state, &wish(name, &value));
            assert!(!text.contains(word), "{value}: {text}");
        }
    }

    #[test]
    fn numerals_are_the_tokens_with_digits_and_their_signs() {
        let state = Model::demo(1).unwrap();
        let banned = state
            .model()
            .tokens(&wish("suppress_numerals", "true"))
            .unwrap()
            .banned;
        let text = |token: &WhisperTokenId| {
            let bytes = state.model().context.token_to_bytes(*token).unwrap();
            String::from_utf8_lossy(bytes).into_owned()
        };
        assert!(
            banned.iter().map(text).all(|text| {
                text.contains(|c: char| c.is_ascii_digit() || "%$\u{a3}".contains(c))
            })
        );
        for sign in ["0", "7", "$", "%"] {
            assert!(banned.iter().any(|token| text(token) == sign), "{sign}");
        }
        let nothing = wish("suppress_numerals", "false");
        assert!(state.model().tokens(&nothing).unwrap().banned.is_empty());
    }
}
