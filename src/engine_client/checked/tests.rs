use std::time::Duration;

use proptest::prelude::*;

use super::super::testing::{model, started};
use super::super::texts::{NAME_MAX_CHARS, REASON_MAX_CHARS};
use super::*;
use crate::options::Options;
use crate::protocol::{
    AudioInfo, FailureKind, MediaInfo, Outcome, Reached, Segment, VERSION, Word, wire,
};

const MAX_DURATION_S: u64 = 3600;

/// Numbers that no working engine reports, and some that one does.
const NUMBERS: [f64; 12] = [
    0.0,
    -0.0,
    -1.0,
    0.5,
    1.0,
    30.0,
    3600.0,
    1e308,
    f64::MIN_POSITIVE,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

fn job(id: u64) -> Job {
    Job {
        id,
        size_bytes: 1000,
        extension: None,
        model: None,
        language: None,
        options: Options::default(),
        max_duration_s: MAX_DURATION_S,
        reached: None,
    }
}

fn hello() -> Report {
    Report::Hello {
        protocol: VERSION,
        version: "1".into(),
    }
}

/// After the hello, with one job.
fn checks(now: Instant) -> Checks {
    let mut checks = Checks::new(now);
    checks.check(hello(), now).unwrap();
    checks.begin(&job(1));
    checks
}

/// The same, and the job has started.
fn working(now: Instant) -> Checks {
    let mut checks = checks(now);
    checks.check(started(1), now).unwrap();
    checks
}

fn segment(start: f64, end: f64) -> Segment {
    Segment {
        start,
        end,
        text: "hello".into(),
        ..Segment::default()
    }
}

fn said(start: f64, end: f64) -> Report {
    Report::Segment {
        job: 1,
        segment: segment(start, end),
    }
}

fn progress(done_s: f64, last_end_s: f64, fraction: f64) -> Report {
    let reached = Reached {
        done_s,
        last_end_s,
        language: Some("en".into()),
    };
    Report::Progress {
        job: 1,
        reached,
        fraction,
    }
}

fn done(audio_duration_s: f64) -> Report {
    let outcome = Outcome {
        language: "und".into(),
        audio_duration_s,
        warning: None,
    };
    Report::Done { job: 1, outcome }
}

fn is_time(seconds: f64) -> bool {
    (0.0..=MAX_DURATION_S as f64 + 60.0).contains(&seconds)
}

#[test]
fn every_number_is_in_its_range() {
    let now = Instant::now();
    for number in NUMBERS {
        let is_fraction = (0.0..=1.0).contains(&number);
        let word = |start, end, score| {
            let word = Word {
                word: "hello".into(),
                start,
                end,
                score,
            };
            let words = vec![word];
            let segment = segment(1.0, 2.0);
            Report::Segment {
                job: 1,
                segment: Segment { words, ..segment },
            }
        };
        let probable = |avg_logprob, no_speech_prob| Report::Segment {
            job: 1,
            segment: Segment {
                avg_logprob,
                no_speech_prob,
                ..segment(1.0, 2.0)
            },
        };
        let finite = number.is_finite();
        for (report, is_good) in [
            (said(number, 3660.0), is_time(number)),
            (said(0.0, number), is_time(number)),
            (progress(number, 0.0, 0.5), is_time(number)),
            (progress(1.0, number, 0.5), is_time(number)),
            (progress(1.0, 0.0, number), is_fraction),
            (done(number), is_time(number)),
            (word(number, 1.5, 0.5), finite),
            (word(1.0, number, 0.5), finite),
            (word(1.0, 1.5, number), finite),
            (probable(number, 0.5), finite),
            (probable(-1.0, number), finite),
        ] {
            let checked = working(now).check(report.clone(), now);
            assert_eq!(checked.is_ok(), is_good, "{report:?}: {checked:?}");
            if let Ok(Some(Report::Segment { segment, .. })) = &checked {
                let words = segment.words.iter();
                for (from, to) in words.map(|word| (word.start, word.end)) {
                    assert!(1.0 <= from && from <= to && to <= 2.0, "{segment:?}");
                }
                assert!(segment.avg_logprob <= 0.0 && segment.avg_logprob >= -1000.0);
                assert!((0.0..=1.0).contains(&segment.no_speech_prob));
            }
        }
        // The head of a file may say anything; an honest engine passes it on.
        let mut media = MediaInfo {
            audio: AudioInfo::default(),
            model: "base".into(),
        };
        media.audio.duration = Some(number);
        let report = Report::Started { job: 1, media };
        let Ok(Some(Report::Started { media, .. })) = checks(now).check(report, now) else {
            panic!("{number}");
        };
        let expected = Some(number).filter(|number| (0.0..=1e9).contains(number));
        assert_eq!(media.audio.duration, expected);
    }
    for number in [0, 1, 30, u64::MAX, 1 << 63] {
        let report = Report::Ready {
            model: ModelInfo {
                patience_s: number,
                ..model()
            },
            slots: number as usize,
        };
        let Ok(Some(Report::Ready { model, slots })) = checks(now).check(report, now) else {
            panic!("{number}");
        };
        assert!(model.patience_s <= PATIENCE_MAX_S);
        assert!((1..=SLOTS_MAX).contains(&slots));
        assert!(
            now.checked_add(Duration::from_secs(model.patience_s))
                .is_some()
        );
    }
}

#[test]
fn time_only_goes_on() {
    let now = Instant::now();
    let mut checks = working(now);
    let mut check = |report: Report| checks.check(report, now).map(Option::unwrap);
    check(said(1.0, 2.0)).unwrap();
    assert!(check(said(1.0, 3.0)).is_err());
    assert!(check(said(3.0, 2.5)).is_err());
    check(progress(10.0, 2.0, 0.5)).unwrap();
    assert!(check(progress(9.0, 2.0, 0.6)).is_err());
    let Report::Progress { fraction, .. } = check(progress(10.0, 2.0, 0.1)).unwrap() else {
        panic!();
    };
    assert_eq!(
        fraction, 0.5,
        "an estimate that is corrected does not go back"
    );

    // A job that goes on where another one ended.
    let mut checks = Checks::new(now);
    checks.check(hello(), now).unwrap();
    checks.begin(&Job {
        reached: Some(Reached {
            done_s: 100.0,
            last_end_s: 90.0,
            language: None,
        }),
        ..job(1)
    });
    checks.check(started(1), now).unwrap();
    assert!(checks.check(said(80.0, 95.0), now).is_err());
    checks.check(said(90.0, 95.0), now).unwrap();
    assert!(checks.check(progress(99.0, 95.0, 0.5), now).is_err());
}

#[test]
fn reports_are_of_jobs_that_run() {
    let now = Instant::now();
    for id in [0, 2, u64::MAX] {
        let (kind, reason) = (FailureKind::Model, "x".to_owned());
        for report in [
            Report::Alive { job: id },
            started(id),
            Report::Failed {
                job: id,
                kind,
                reason,
            },
        ] {
            assert!(working(now).check(report, now).is_err());
        }
    }
    for early in [said(1.0, 2.0), progress(1.0, 0.0, 0.5), done(1.0)] {
        assert!(checks(now).check(early, now).is_err(), "before its start");
    }
    assert!(
        working(now).check(started(1), now).is_err(),
        "started twice"
    );
    // What comes of a job that has just ended is no fault.
    let mut checks = working(now);
    checks.check(done(1.0), now).unwrap();
    for late in [said(1.0, 2.0), done(1.0), Report::Alive { job: 1 }] {
        assert_eq!(checks.check(late, now), Ok(None));
    }
    let unasked = Checks::new(now).check(Report::Alive { job: 1 }, now);
    assert!(unasked.is_err(), "before its version");
}

#[test]
fn nothing_is_repeated_without_end() {
    let now = Instant::now();
    let model_failed = Report::ModelFailed {
        model: "x".into(),
        reason: "y".into(),
    };
    let loading = Report::Loading { model: "x".into() };
    let ready = Report::Ready {
        model: model(),
        slots: 1,
    };
    for (report, most) in [
        (hello(), 0),
        (loading, 100),
        (ready, 100),
        (model_failed, 100),
        (Report::Alive { job: 1 }, 20_000),
        (progress(5.0, 1.0, 0.5), 20_000),
        (said(1.0, 1.0), 100_000),
    ] {
        let mut checks = working(now);
        let passed = (0..200_000).take_while(|_| checks.check(report.clone(), now).is_ok());
        let passed = passed.count();
        assert!(passed <= most, "{passed} times {report:?}");
    }
    let mut ended = working(now);
    ended.check(done(1.0), now).unwrap();
    assert!((0..20_000).any(|_| ended.check(said(1.0, 2.0), now).is_err()));

    // A working engine may speak of its model for every job, and be alive for days.
    let mut checks = Checks::new(now);
    checks.check(hello(), now).unwrap();
    for id in 1..1000 {
        checks.begin(&job(id));
        for _ in 0..2 {
            let loading = Report::Loading { model: "x".into() };
            checks.check(loading, now).unwrap();
        }
        let (kind, reason) = (FailureKind::Model, "x".to_owned());
        let failed = Report::Failed {
            job: id,
            kind,
            reason,
        };
        checks.check(failed, now).unwrap();
    }
    let mut checks = working(now);
    for second in 0..1_000_000 {
        let later = now + Duration::from_secs(second);
        checks.check(Report::Alive { job: 1 }, later).unwrap();
    }
}

#[test]
fn text_is_bounded_by_the_recording() {
    let now = Instant::now();
    let mut checks = working(now);
    let long = |start: f64, words: usize| Report::Segment {
        job: 1,
        segment: Segment {
            words: vec![Word::default(); words],
            ..segment(start, start + 1.0)
        },
    };
    assert!(
        checks.check(long(0.0, 100_000), now).is_err(),
        "one of them"
    );
    let mut checks = working(now);
    let passed = (0..1_000_000).take_while(|_| checks.check(long(0.0, 100), now).is_ok());
    assert!(passed.count() < 1000, "at one time");
    // Dense speech for an hour, with the times of its words.
    let mut checks = working(now);
    for second in 0..MAX_DURATION_S {
        checks.check(long(second as f64, 20), now).unwrap();
    }
}

#[test]
fn texts_are_short_and_printable() {
    let now = Instant::now();
    let rude = || format!("\u{1b}[2J\n{}", "ü".repeat(100_000));
    let fine = |text: &str, most: usize| {
        assert!(!text.contains(char::is_control) && text.chars().count() <= most);
    };
    let mut checks = working(now);
    let model = ModelInfo {
        name: rude(),
        device: rude(),
        ..model()
    };
    match checks.check(Report::Ready { model, slots: 1 }, now) {
        Ok(Some(Report::Ready { model, .. })) => {
            fine(&model.name, NAME_MAX_CHARS);
            fine(&model.device, NAME_MAX_CHARS);
        }
        other => panic!("{other:?}"),
    }
    let (model, reason) = (rude(), rude());
    match checks.check(Report::ModelFailed { model, reason }, now) {
        Ok(Some(Report::ModelFailed { model, reason })) => {
            fine(&model, NAME_MAX_CHARS);
            fine(&reason, REASON_MAX_CHARS);
        }
        other => panic!("{other:?}"),
    }
    let spoken = Segment {
        text: "a\r\n\0b".into(),
        ..segment(0.0, 1.0)
    };
    match checks.check(
        Report::Segment {
            job: 1,
            segment: spoken,
        },
        now,
    ) {
        Ok(Some(Report::Segment { segment, .. })) => assert_eq!(segment.text, "a   b"),
        other => panic!("{other:?}"),
    }
    let outcome = Outcome {
        language: "en".into(),
        audio_duration_s: 1.0,
        warning: Some(rude()),
    };
    for language in ["", "EN", "e\n", "../../x", "englishenglish"] {
        let outcome = Outcome {
            language: language.into(),
            ..outcome.clone()
        };
        let report = Report::Done { job: 1, outcome };
        assert!(working(now).check(report, now).is_err(), "{language}");
    }
    match checks.check(Report::Done { job: 1, outcome }, now) {
        Ok(Some(Report::Done { outcome, .. })) => {
            fine(&outcome.warning.unwrap(), REASON_MAX_CHARS);
        }
        other => panic!("{other:?}"),
    }
}

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
