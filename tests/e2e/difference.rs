//! How a transcript differs from what was said.

use crate::speech::Phrase;
use crate::task::Segment;
use crate::wer::Tally;

/// Stretches that share less than this have nothing to do with each other.
const SHARED_MIN_S: f64 = 0.1;

/// What is not the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The words.
    pub words: Tally,
    /// How far the worst start or end of a phrase is off, in seconds; infinite
    /// if something was heard at a time at which nothing is said, or nothing
    /// where something is.
    pub off_s: f64,
}

impl Difference {
    /// Compares what was heard with what was said.
    pub fn of(said: &[Phrase], heard: &[Segment]) -> Difference {
        let texts = |texts: Vec<&str>| texts.join(" ");
        Difference {
            words: Tally::of(
                &texts(said.iter().map(|phrase| &*phrase.text).collect()),
                &texts(heard.iter().map(|segment| &*segment.text).collect()),
            ),
            off_s: off_s(
                &said
                    .iter()
                    .map(|p| (p.start_s, p.end_s))
                    .collect::<Vec<_>>(),
                &heard
                    .iter()
                    .map(|s| (s.start_s, s.end_s))
                    .collect::<Vec<_>>(),
            ),
        }
    }
}

/// Starts and ends.
type Spans = [(f64, f64)];

fn off_s(said: &Spans, heard: &Spans) -> f64 {
    let shared_s = |a: &(f64, f64), b: &(f64, f64)| a.1.min(b.1) - a.0.max(b.0);
    let is_shared = |span: &(f64, f64), others: &Spans| {
        others
            .iter()
            .any(|other| shared_s(span, other) > SHARED_MIN_S)
    };
    if heard.iter().any(|span| !is_shared(span, said)) {
        return f64::INFINITY;
    }
    said.iter()
        .map(|phrase| {
            let covering = heard
                .iter()
                .filter(|span| shared_s(phrase, span) > SHARED_MIN_S);
            let (start_s, end_s) = covering.fold(
                (f64::INFINITY, f64::NEG_INFINITY),
                |(start_s, end_s), span| (start_s.min(span.0), end_s.max(span.1)),
            );
            (start_s - phrase.0).abs().max((end_s - phrase.1).abs())
        })
        .fold(0.0, f64::max)
}

#[test]
fn times_that_are_off_are_noticed() {
    let said = [(1.0, 2.0), (4.0, 5.0)];
    for (heard, expected_s) in [
        (&[(1.0, 2.0), (4.0, 5.25)][..], 0.25),
        (&[(0.5, 1.5), (1.5, 2.0), (4.0, 5.0)], 0.5),
        (&[(1.0, 5.0)], 3.0),
        (&[(1.0, 2.0)], f64::INFINITY),
        (&[(1.0, 2.0), (4.0, 5.0), (8.0, 9.0)], f64::INFINITY),
        (&[], f64::INFINITY),
    ] {
        assert_eq!(off_s(&said, heard), expected_s, "{heard:?}");
    }
    assert_eq!(off_s(&[], &[]), 0.0);
}
