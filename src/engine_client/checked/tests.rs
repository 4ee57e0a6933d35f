use std::time::Duration;

use super::super::testing::{model, started};
use super::super::texts::{NAME_MAX_CHARS, REASON_MAX_CHARS};
use super::*;
use crate::options::Options;
use crate::protocol::{
    AudioInfo, FailureKind, MediaInfo, Outcome, Reached, Segment, VERSION, Word,
};

const MAX_DURATION_S: u64 = 3600;

/// Numbers that no working engine reports, and some that one does.
pub(super) const NUMBERS: [f64; 12] = [
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

pub(super) fn job(id: u64) -> Job {
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

pub(super) fn hello() -> Report {
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

pub(super) fn is_time(seconds: f64) -> bool {
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
