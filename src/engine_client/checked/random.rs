//! Random messages in random order.

use proptest::prelude::*;
use tokio::time::Instant;

use super::super::testing::{model, started};
use super::tests::{NUMBERS, hello, is_time, job};
use super::{Checks, PATIENCE_MAX_S, SLOTS_MAX};
use crate::protocol::{FailureKind, ModelInfo, Outcome, Reached, Report, Segment, Word, wire};

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..4000.0,
        1 => any::<f64>(),
        1 => prop::sample::select(NUMBERS.to_vec()),
    ]
}

fn any_report() -> impl Strategy<Value = Report> {
    let id = || prop_oneof![4 => 1..4_u64, 1 => any::<u64>()];
    let text = || prop_oneof![Just("en".to_owned()), any::<String>()];
    let reached = (any_number(), any_number(), prop::option::of(text()));
    let reached = reached.prop_map(|(done_s, last_end_s, language)| Reached {
        done_s,
        last_end_s,
        language,
    });
    let word = (text(), any_number(), any_number(), any_number());
    let word = word.prop_map(|(word, start, end, score)| Word {
        word,
        start,
        end,
        score,
    });
    let segment = (
        (any_number(), 0.0..30.0, any_number()),
        (any_number(), text()),
        prop::collection::vec(word, 0..5),
        prop::collection::vec(any::<u32>(), 0..5),
    );
    let segment = segment.prop_map(
        |((start, length, avg_logprob), (no_speech_prob, text), words, tokens)| Segment {
            start,
            end: start + length,
            text,
            words,
            tokens,
            avg_logprob,
            no_speech_prob,
        },
    );
    prop_oneof![
        1 => (any::<u32>(), text())
            .prop_map(|(protocol, version)| Report::Hello { protocol, version }),
        1 => text().prop_map(|model| Report::Loading { model }),
        1 => (text(), any::<u64>(), any::<usize>()).prop_map(|(name, patience_s, slots)| {
            let model = ModelInfo {
                name,
                patience_s,
                ..model()
            };
            Report::Ready { model, slots }
        }),
        2 => id().prop_map(|job| Report::Alive { job }),
        4 => id().prop_map(started),
        4 => (id(), reached, any_number()).prop_map(|(job, reached, fraction)| {
            Report::Progress {
                job,
                reached,
                fraction,
            }
        }),
        6 => (id(), segment).prop_map(|(job, segment)| Report::Segment { job, segment }),
        1 => (id(), text(), any_number()).prop_map(|(job, language, audio_duration_s)| {
            let outcome = Outcome {
                language,
                audio_duration_s,
                warning: None,
            };
            Report::Done { job, outcome }
        }),
        1 => (id(), text()).prop_map(|(job, reason)| Report::Failed {
            job,
            kind: FailureKind::Rejected,
            reason,
        }),
    ]
}

proptest! {
    /// Whatever is said in whatever order: what passes is sound.
    #[test]
    fn what_passes_is_sound(reports in prop::collection::vec(any_report(), 0..60)) {
        let now = Instant::now();
        let mut checks = Checks::new(now);
        checks.check(hello(), now).unwrap();
        for id in 1..4 {
            checks.begin(&job(id));
        }
        let mut ends = [0.0; 4];
        let mut reached_s = [0.0; 4];
        for report in reports {
            // As if it had come over the stream, where there are no other numbers.
            let Ok(frame) = wire::encode(&report) else { continue };
            let mut decoder = wire::Decoder::default();
            decoder.push(&frame);
            let Ok(Some(report)) = decoder.message::<Report>() else { continue };
            // A breach ends a connection; here the next report is tried.
            match checks.check(report, now) {
                Ok(Some(Report::Segment { job, segment })) => {
                    let last = &mut ends[job as usize];
                    prop_assert!(*last <= segment.start && segment.start <= segment.end);
                    prop_assert!(is_time(segment.end));
                    *last = segment.end;
                }
                Ok(Some(Report::Progress { job, reached, fraction })) => {
                    let last = &mut reached_s[job as usize];
                    prop_assert!(*last <= reached.done_s && is_time(reached.done_s));
                    prop_assert!((0.0..=1.0).contains(&fraction));
                    *last = reached.done_s;
                }
                Ok(Some(Report::Done { outcome, .. })) => {
                    prop_assert!(is_time(outcome.audio_duration_s));
                }
                Ok(Some(Report::Ready { model, slots })) => {
                    prop_assert!(model.patience_s <= PATIENCE_MAX_S && slots <= SLOTS_MAX);
                }
                _ => {}
            }
            prop_assert!(checks.jobs.len() <= 3);
        }
    }
}
