//! What the model says of a window, and where that lies in the recording.

use scribed::protocol::{Segment, Word};
use whisper_rs::{WhisperContext, WhisperSegment};

use super::window::Window;
use super::words::{SpokenWord, seconds, words};

/// A segment as the model says it: seconds within its window.
pub(super) struct Spoken {
    start_s: f64,
    end_s: f64,
    text: String,
    words: Vec<SpokenWord>,
    tokens: Vec<u32>,
    avg_logprob: f64,
    no_speech_prob: f64,
}

impl Spoken {
    /// Takes it from the model's memory.
    pub(super) fn of(
        segment: &WhisperSegment<'_>,
        context: &WhisperContext,
        language: &str,
    ) -> Spoken {
        let tokens = (0..segment.n_tokens()).filter_map(|index| segment.get_token(index));
        let (mut ids, mut sum) = (Vec::new(), 0.0);
        for token in tokens {
            let data = token.token_data();
            ids.extend(u32::try_from(data.id));
            sum += f64::from(data.plog);
        }
        Spoken {
            start_s: seconds(segment.start_timestamp()),
            end_s: seconds(segment.end_timestamp()),
            text: segment.to_str_lossy().unwrap_or_default().into_owned(),
            words: words(segment, context, language),
            avg_logprob: sum / ids.len().max(1) as f64,
            tokens: ids,
            no_speech_prob: f64::from(segment.no_speech_probability()),
        }
    }
}

/// The model's times are guesses that overlap and reach beyond the window: here
/// they become times of the recording that a player can rely on.
pub(super) fn place(
    spoken: impl Iterator<Item = Spoken>,
    window: &Window,
    not_before_s: f64,
) -> Vec<Segment> {
    let mut earliest_s = not_before_s;
    spoken
        .filter_map(|spoken| {
            let text = spoken.text.trim();
            if text.is_empty() {
                return None;
            }
            let (start, end) = window.in_recording(spoken.start_s, spoken.end_s);
            let start = start.max(earliest_s);
            if end <= start {
                // Said in no time: the model repeats itself, or hears what is not there.
                return None;
            }
            earliest_s = end;
            Some(Segment {
                start,
                end,
                text: text.to_owned(),
                words: place_words(spoken.words, window, start, end),
                tokens: spoken.tokens,
                avg_logprob: spoken.avg_logprob,
                no_speech_prob: spoken.no_speech_prob,
            })
        })
        .collect()
}

/// The words of a segment that lies between these times of the recording.
fn place_words(words: Vec<SpokenWord>, window: &Window, start_s: f64, end_s: f64) -> Vec<Word> {
    let mut earliest_s = start_s;
    words
        .into_iter()
        .map(|word| {
            let (start, end) = window.in_recording(word.start_s, word.end_s);
            let start = start.clamp(earliest_s, end_s);
            let end = end.clamp(start, end_s);
            earliest_s = end;
            Word {
                word: word.text,
                start,
                end,
                score: word.score,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::activity::SAMPLE_RATE;
    use super::super::noise::faint_noise;
    use super::super::window::Cutter;
    use super::*;

    fn window() -> Window {
        let mut cutter = Cutter::default();
        cutter.push(&faint_noise(15 * SAMPLE_RATE));
        cutter.finish();
        cutter.next_window().unwrap()
    }

    #[test]
    fn segments_are_in_order_and_within_the_window() {
        let spoken = [
            (10.0, 12.0, " one "),
            (12.0, 12.0, "  "),
            (11.5, 13.0, "two"),
            (13.0, 12.5, "three"),
            (14.0, 30.0, "four"),
            (28.0, 30.0, "five"),
        ]
        .map(|(start_s, end_s, text)| Spoken {
            start_s,
            end_s,
            text: text.to_owned(),
            words: Vec::new(),
            tokens: Vec::new(),
            avg_logprob: 0.0,
            no_speech_prob: 0.0,
        });
        let placed: Vec<_> = place(spoken.into_iter(), &window(), 10.5)
            .into_iter()
            .map(|segment| (segment.start, segment.end, segment.text))
            .collect();
        let expected = [
            (10.5, 12.0, "one"),
            (12.0, 13.0, "two"),
            (14.0, 15.0, "four"),
        ]
        .map(|(start, end, text)| (start, end, text.to_owned()));
        assert_eq!(placed, expected);
    }

    #[test]
    fn words_are_in_order_and_within_their_segment() {
        let spoken = [(9.0, 10.2), (10.1, 11.0), (12.0, 11.5), (11.8, 40.0)];
        let words = spoken.map(|(start_s, end_s)| SpokenWord {
            start_s,
            end_s,
            text: "word".into(),
            score: 0.5,
        });
        let placed: Vec<_> = place_words(words.into(), &window(), 10.0, 13.0)
            .into_iter()
            .map(|word| (word.start, word.end))
            .collect();
        let expected = [(10.0, 10.2), (10.2, 11.0), (12.0, 12.0), (12.0, 13.0)];
        assert_eq!(placed, expected);
    }
}
