//! Recordings in every format become the words that were said in them, at the
//! times at which they were said.

use crate::fixtures::encodings::{self, encode};
use crate::fixtures::wer::Tally;
use crate::support::daemon::Daemon;
use crate::support::http::Cut;
use crate::support::speech::{self, Phrase, Script, VOICES};
use crate::support::task::{self, Segment};
use crate::support::tus;

/// Most words that may be wrong, over all voices and formats together.
const WRONG_MAX_PERCENT: f64 = 5.0;

/// Furthest that the start or end of a phrase may be off.
const OFF_MAX_S: f64 = 0.5;

#[test]
fn every_format_is_transcribed_after_a_broken_and_resumed_upload() {
    let daemon = Daemon::start();
    let mut sent = Vec::new();
    for (number, encoding) in encodings::ALL.into_iter().enumerate() {
        let voice = VOICES[number % VOICES.len()];
        let spoken = encode(
            &speech::speak(Script::short(voice, number as u64)),
            encoding,
        );
        let name = format!("recording.{}", encoding.extension);
        let cut = [Cut::Close, Cut::Reset][number % 2];
        let upload = tus::upload_with_a_cut(daemon.address(), &name, &spoken.bytes(), cut);
        sent.push((encoding, voice, spoken, upload));
    }

    let mut sum = Tally::default();
    let mut off = Vec::new();
    for (encoding, voice, spoken, upload) in &sent {
        let segments = task::transcript(daemon.address(), upload.id());
        let tally = Tally::of(&spoken.text(), &task::text(&segments));
        let worst_s = furthest_off_s(&spoken.phrases, &segments);
        println!(
            "{:22} {voice:14} {:2}/{:2} words wrong, times off by {worst_s:.2} s",
            encoding.name, tally.wrong, tally.said
        );
        sum = sum.plus(tally);
        if worst_s > OFF_MAX_S {
            off.push((encoding.name, worst_s, &spoken.phrases, segments));
        }
    }
    println!(
        "{} of {} words wrong: {:.1} %",
        sum.wrong,
        sum.said,
        sum.percent()
    );
    assert!(sum.said >= 200, "only {} words were said", sum.said);
    assert!(sum.percent() <= WRONG_MAX_PERCENT, "{:.1} %", sum.percent());
    assert!(off.is_empty(), "times are off: {off:#?}");
}

#[test]
fn silence_is_a_completed_task_without_text() {
    let daemon = Daemon::start();
    for amplitude in [0, 30] {
        let file = std::fs::read(encodings::silence(10, amplitude)).unwrap();
        let upload = tus::upload(daemon.address(), "silence.wav", &file);
        let task = task::ended(daemon.address(), upload.id());
        assert_eq!(task["status"], "completed", "amplitude {amplitude}: {task}");
        assert_eq!(task["result"]["segments"], serde_json::json!([]), "{task}");
    }
}

#[test]
fn a_recording_that_was_cut_short_is_read_as_far_as_it_goes_and_says_so() {
    let daemon = Daemon::start();
    let encoding = encodings::ALL
        .into_iter()
        .find(|encoding| encoding.name == "mp4 index in front")
        .expect("an encoding of that name");
    let spoken = encode(&speech::speak(Script::short(VOICES[0], 77)), encoding);
    let whole = spoken.bytes();
    let upload = tus::upload(daemon.address(), "cut.mp4", &whole[..whole.len() * 6 / 10]);
    let task = task::ended(daemon.address(), upload.id());
    assert_eq!(task["status"], "completed", "{task}");
    let warning = task["metadata"]["warning"].as_str().unwrap_or_default();
    assert!(warning.contains("cut short"), "{task}");
    assert!(!task::segments(&task["result"]).is_empty(), "{task}");
}

#[test]
fn a_long_recording_with_pauses_stays_in_order() {
    let daemon = Daemon::start();
    let spoken = speech::speak(Script {
        phrases: 28,
        pause_ds: (5, 55),
        ..Script::short(VOICES[0], 99)
    });
    let end_s = spoken.phrases.last().unwrap().end_s;
    assert!(end_s > 110.0, "only {end_s} s long");

    let upload = tus::upload(daemon.address(), "long.wav", &spoken.bytes());
    let segments = task::transcript(daemon.address(), upload.id());
    // Order of times is checked with every transcript, order of words by this:
    let tally = Tally::of(&spoken.text(), &task::text(&segments));
    println!("{tally:?} {:.1} %", tally.percent());
    assert!(
        tally.percent() <= WRONG_MAX_PERCENT,
        "{tally:?} {segments:#?}"
    );
    let last = segments.last().unwrap();
    assert!(
        (last.end_s - end_s).abs() < OFF_MAX_S,
        "{last:?}, really {end_s}"
    );

    let task = task::look(daemon.address(), upload.id());
    let duration_s = task["metadata"]["audio_duration"].as_f64().unwrap();
    let length_s = (spoken.bytes().len() - 44) as f64 / 2.0 / f64::from(speech::RATE_HZ);
    assert!(
        (duration_s - length_s).abs() < OFF_MAX_S,
        "{duration_s} {length_s}"
    );
}

/// How far the worst phrase's start or end is from that of the segments that
/// cover it. One that nothing covers is a matter of words, not of times.
fn furthest_off_s(phrases: &[Phrase], segments: &[Segment]) -> f64 {
    let off_s = |phrase: &Phrase| {
        let covers = |segment: &&Segment| {
            segment.end_s.min(phrase.end_s) - segment.start_s.max(phrase.start_s) > 0.1
        };
        let (start_s, end_s) = segments.iter().filter(covers).fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(start_s, end_s), segment| (start_s.min(segment.start_s), end_s.max(segment.end_s)),
        );
        (start_s - phrase.start_s)
            .abs()
            .max((end_s - phrase.end_s).abs())
    };
    let heard = phrases.iter().map(off_s).filter(|off_s| off_s.is_finite());
    heard.fold(0.0, f64::max)
}

#[test]
fn measures_how_far_times_are_off() {
    let phrase = |start_s, end_s| Phrase {
        start_s,
        end_s,
        text: String::new(),
    };
    let segment = |start_s, end_s| Segment {
        start_s,
        end_s,
        text: String::new(),
    };
    let phrases = [phrase(1.0, 2.0), phrase(4.0, 5.0)];
    for (segments, off_s) in [
        (vec![segment(1.0, 2.0), segment(4.0, 5.25)], 0.25),
        (
            vec![segment(0.5, 1.5), segment(1.5, 2.0), segment(4.0, 5.0)],
            0.5,
        ),
        (vec![segment(1.0, 5.0)], 3.0),
        (vec![segment(1.0, 2.0)], 0.0),
    ] {
        assert_eq!(furthest_off_s(&phrases, &segments), off_s, "{segments:?}");
    }
}
