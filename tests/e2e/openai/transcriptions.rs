//! OpenAI's speech API: every format of a transcript, whole and streamed.

use nix::sys::signal::Signal;

use super::support::{
    MODEL, TRANSCRIPTIONS, TRANSLATIONS, around, ask, assert_heard, events, only_task, post,
    spoken, streamed,
};
use crate::fixtures::form::NOISE;
use crate::fixtures::transcription::{freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::http::get;
use crate::support::task;

#[test]
fn every_format_whatever_the_order_of_the_fields() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = spoken();
    let (recording, text) = (spoken.bytes(), spoken.text());
    let times = ("timestamp_granularities[0]", "word");
    let mut last = String::new();
    for (target, name, format) in [
        (TRANSCRIPTIONS, "json", None),
        (TRANSCRIPTIONS, "json", Some("json")),
        (TRANSCRIPTIONS, "text", Some("text")),
        (TRANSCRIPTIONS, "srt", Some("srt")),
        (TRANSCRIPTIONS, "vtt", Some("vtt")),
        (TRANSCRIPTIONS, "verbose_json", Some("verbose_json")),
        (TRANSLATIONS, "json", None),
        (TRANSLATIONS, "verbose_json", Some("verbose_json")),
    ] {
        let mut fields = vec![MODEL, ("language", "en"), ("temperature", "0.2")];
        fields.extend(format.map(|format| ("response_format", format)));
        fields.extend((name == "verbose_json").then_some(times));
        let bodies = [
            around(&fields, &recording, &[]),
            around(&[], &recording, &fields),
            around(&fields[..2], &recording, &fields[2..]),
        ];
        // Transcribing takes long: not everything in every order.
        let body = &bodies[last.len() % 3];
        let answer = post(address, target, body).expect(200, name);
        last.push('x');
        let id = answer.header("x-request-id").expect("the task").to_owned();
        let task = task::look(address, &id);
        assert_eq!(
            task["metadata"]["task_params"]["temperatures"], 0.2,
            "{name}"
        );
        assert_eq!(task["metadata"]["task_params"]["language"], "en", "{name}");
        assert_eq!(task["metadata"]["file_name"], "a.wav", "{name}");
        let segments = task::segments(&task["result"]);
        let kept = |format: &str| {
            let target = format!("/task/{id}/transcript?format={format}");
            get(address, &target).expect(200, "the same").text()
        };
        let content_type = answer.header("content-type").unwrap().to_owned();
        match name {
            "json" => {
                let document = answer.json();
                assert_eq!(document["text"], text);
                let usage = document["usage"].clone();
                match target {
                    TRANSLATIONS => assert!(usage.is_null(), "{usage}"),
                    _ => {
                        assert_eq!(usage["type"], "duration");
                        assert!(usage["seconds"].as_u64().unwrap() > 5, "{usage}");
                    }
                }
            }
            "text" => {
                assert_eq!(answer.text(), text.clone() + "\n");
                assert!(content_type.starts_with("text/plain"));
            }
            "srt" | "vtt" => {
                assert_eq!(answer.text(), kept(name));
                assert!(answer.text().contains("-->"));
            }
            _ => {
                let document = answer.json();
                let is_translation = target == TRANSLATIONS;
                let task = if is_translation {
                    "translate"
                } else {
                    "transcribe"
                };
                assert_eq!(document["task"], task);
                assert_eq!(document["language"], "english");
                assert_eq!(document["text"], text);
                let duration = document["duration"].as_f64().unwrap();
                assert!(
                    duration > spoken.phrases.last().unwrap().end_s,
                    "{duration}"
                );
                assert!(document.get("segments").is_none(), "only words were wanted");
                let words = document["words"].as_array().unwrap();
                let said: Vec<&str> = words
                    .iter()
                    .map(|word| word["word"].as_str().unwrap())
                    .collect();
                assert_eq!(said.join(" "), text);
                for word in words {
                    assert!(word["start"].as_f64() <= word["end"].as_f64(), "{word}");
                    assert_eq!(word.as_object().unwrap().len(), 3, "{word}");
                }
            }
        }
        assert_eq!(task::text(&segments), text, "{name}");
    }
}

#[test]
fn verbose_json_has_what_clients_read() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = spoken();
    let fields = [MODEL, ("response_format", "verbose_json")];
    let answer = post(
        address,
        TRANSCRIPTIONS,
        &around(&[], &spoken.bytes(), &fields),
    );
    let id = answer.header("x-request-id").unwrap().to_owned();
    let document = answer.expect(200, "verbose_json").json();
    assert!(document.get("words").is_none(), "{document}");
    let segments = document["segments"].as_array().unwrap();
    let kept = task::transcript(address, &id);
    assert_eq!(segments.len(), kept.len());
    let mut text = String::new();
    for (number, (segment, kept)) in segments.iter().zip(kept).enumerate() {
        assert_eq!(segment["id"], number, "{segment}");
        assert_eq!(segment["start"].as_f64(), Some(kept.start_s), "{segment}");
        assert_eq!(segment["end"].as_f64(), Some(kept.end_s), "{segment}");
        assert_eq!(
            segment["seek"].as_u64(),
            Some((kept.start_s * 100.0) as u64),
            "{segment}"
        );
        assert_eq!(segment["temperature"].as_f64(), Some(0.0), "{segment}");
        assert!(
            !segment["tokens"].as_array().unwrap().is_empty(),
            "{segment}"
        );
        assert!(segment["avg_logprob"].as_f64().unwrap() < 0.0, "{segment}");
        assert!(
            (0.0..=1.0).contains(&segment["no_speech_prob"].as_f64().unwrap()),
            "{segment}"
        );
        assert!(
            segment["compression_ratio"].as_f64().unwrap() > 0.1,
            "{segment}"
        );
        text += segment["text"].as_str().unwrap();
    }
    assert_eq!(document["text"], text, "the segments are the text");
    assert_eq!(text, spoken.text());
}

#[test]
fn a_text_is_streamed_as_it_is_found() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let spoken = long_recording();
    let mut connection = ask(address, &spoken.bytes(), &[("stream", "true")]);
    let id = only_task(address);
    let engine = freeze_engine_in(&mut daemon, &id);
    engine.signal(Signal::SIGCONT);
    let answer = connection.receive("POST").unwrap();
    assert_eq!(answer.header("x-request-id"), Some(&*id));
    let count = events(&answer).len();
    assert!(count > 5, "{count} events");
    let text = streamed(answer);
    assert_eq!(text, task::text(&task::transcript(address, &id)));
    assert_heard(&text, &spoken);

    // One that is over at once.
    let short = self::spoken();
    let body = around(&[], &short.bytes(), &[("stream", "1"), MODEL]);
    let answer = post(address, TRANSCRIPTIONS, &body);
    assert_eq!(streamed(answer), short.text());
    // And one that is no recording after all.
    let body = around(&[], NOISE, &[("stream", "true"), MODEL]);
    let events = events(&post(address, TRANSCRIPTIONS, &body).expect(200, "a stream"));
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["error"]["param"], "file", "{events:?}");
}

/// As OpenAI's come with whisper-1, which LiteLLM's proxy counts on.
#[test]
fn formats_that_cannot_be_streamed_come_whole() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = spoken();
    for (format, content_type) in [
        ("verbose_json", "application/json"),
        ("srt", "application/x-subrip"),
        ("vtt", "text/vtt"),
    ] {
        let fields = [MODEL, ("stream", "true"), ("response_format", format)];
        let body = around(&[], &spoken.bytes(), &fields);
        let answer = post(address, TRANSCRIPTIONS, &body).expect(200, format);
        let header = answer.header("content-type").unwrap();
        assert!(header.starts_with(content_type), "{header}");
        match format {
            "verbose_json" => {
                let document = answer.json();
                assert_eq!(document["text"], spoken.text());
                assert_eq!(document["usage"]["type"], "duration", "{document}");
            }
            _ => assert!(answer.text().contains("-->"), "{}", answer.text()),
        }
    }
}
