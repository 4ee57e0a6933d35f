//! `scribed probe`, and recordings that come through a pipe.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::fixtures::encodings::{encode, named};
use crate::fixtures::wer::Tally;
use crate::support::daemon::PROGRAM;
use crate::support::speech::{self, Script, Spoken, VOICES};

fn spoken() -> Spoken {
    speech::speak(Script::short(VOICES[2], 9))
}

fn scribed<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Feeds a shell command to a subcommand through a pipe.
fn through_a_pipe(feeder: &str, file: &Path, arguments: &str) -> Output {
    let script = format!("{feeder} | exec \"$PROGRAM\" {arguments}");
    let mut sh = Command::new("sh");
    sh.args(["-c", &script])
        .env("PROGRAM", PROGRAM)
        .env("FILE", file);
    sh.output().unwrap()
}

#[track_caller]
fn assert_said(output: &Output, spoken: &Spoken) {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let tally = Tally::of(&spoken.text(), &text(&output.stdout));
    assert!(tally.percent() <= 10.0, "{tally:?} {output:?}");
}

#[test]
fn probe_describes_a_recording() {
    let spoken = spoken();
    let length_s = (spoken.bytes().len() - 44) as f64 / 2.0 / f64::from(speech::RATE_HZ);
    for (encoding, container, codec, channels, sample_rate) in [
        ("wav 44.1 kHz stereo", "wav", "pcm_s16le", 2, 44_100),
        ("mp3", "mp3", "mp3", 1, 22_050),
        ("m4a alac", "mp4", "alac", 1, 22_050),
        ("webm with picture", "webm", "opus", 1, 48_000),
        ("ogg vorbis", "ogg", "vorbis", 1, 22_050),
    ] {
        let file = encode(&spoken, named(encoding)).file;
        let probe = |more: &[&OsStr]| {
            let arguments = [&["probe".as_ref(), file.as_os_str()], more].concat();
            let output = scribed(&arguments).output().unwrap();
            assert!(output.status.success(), "{encoding}: {output:?}");
            assert!(output.stderr.is_empty(), "{encoding}: {output:?}");
            text(&output.stdout)
        };
        let found: Value = serde_json::from_str(&probe(&["--json".as_ref()])).unwrap();
        let duration_s = found["audio"]["duration"].as_f64().unwrap();
        assert!((duration_s - length_s).abs() < 0.1, "{encoding}: {found}");
        let expected = json!({
            "container": container, "codec": codec, "channels": channels,
            "sample_rate": sample_rate, "track": 1, "tracks": 1,
            "duration": duration_s, "decoder": "symphonia",
        });
        assert_eq!(found["audio"], expected, "{encoding}");
        assert!(found["warning"].is_null(), "{encoding}: {found}");
        let heard_s = found["heard_s"].as_f64().unwrap();
        assert!(
            heard_s > 1.0 && heard_s <= duration_s,
            "{encoding}: {found}"
        );
        let loudest_db = found["loudest_db"].as_f64().unwrap();
        assert!((-30.0..0.0).contains(&loudest_db), "{encoding}: {found}");

        let lines = probe(&[]);
        for (name, value) in [
            ("container", container.to_owned()),
            ("codec", codec.to_owned()),
            ("channels", channels.to_string()),
            ("sample rate", format!("{sample_rate} Hz")),
            ("audio track", "1 of 1".to_owned()),
            ("length", format!("{duration_s:.2} s")),
            ("warning", "none".to_owned()),
        ] {
            let line = format!("{name:<14}{value}\n");
            assert!(lines.contains(&line), "{line:?} is not in {lines}");
        }
    }
}

#[test]
fn probe_reports_what_is_missing_of_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let whole = encode(&spoken(), named("mp4 index in front")).bytes();
    let file = folder.path().join("cut.mp4");
    fs::write(&file, &whole[..whole.len() * 6 / 10]).unwrap();
    let output = scribed(&["probe".as_ref(), file.as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert!(
        printed.contains("warning       the file was cut short: it ends after "),
        "{printed}"
    );
}

#[test]
fn what_is_no_recording_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let letter = b"Dear diary, nothing happened.\n".to_vec();
    for (name, content, part) in [
        ("notes.mp3", letter.clone(), "a text file"),
        ("empty.wav", Vec::new(), "the file is empty"),
        (
            "picture.mp3",
            b"\x89PNG\r\n\x1a\n....".to_vec(),
            "image/png",
        ),
        (
            "zeros.mp3",
            vec![0; 100_000],
            "nothing in it is of a known audio format",
        ),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        for json in [false, true] {
            let mut command = scribed(&["probe".as_ref(), file.as_os_str()]);
            if json {
                command.arg("--json");
            }
            let output = command.output().unwrap();
            let printed = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}: {printed}");
            assert!(output.stdout.is_empty(), "{name}: {output:?}");
            assert_eq!(printed.lines().count(), 1, "{name}: {printed}");
            assert!(printed.starts_with("scribed: "), "{name}: {printed}");
            assert!(printed.contains(part), "{name}: {printed}");
        }
        for subcommand in ["probe -", "transcribe - --models-dir /nonexistent"] {
            let output = through_a_pipe("cat \"$FILE\"", &file, subcommand);
            let printed = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(1),
                "{subcommand} {name}: {printed}"
            );
            assert!(output.stdout.is_empty(), "{subcommand} {name}: {output:?}");
            assert!(printed.contains(part), "{subcommand} {name}: {printed}");
        }
    }
    let missing = folder.path().join("none.wav");
    let output = scribed(&["probe".as_ref(), missing.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("cannot read"), "{output:?}");
}

#[test]
fn recordings_come_through_pipes() {
    let spoken = spoken();
    let transcribe = "transcribe - --models-dir /nonexistent";
    for feeder in [
        "cat \"$FILE\"",
        "ffmpeg -nostdin -v error -i \"$FILE\" -c:a libmp3lame -f mp3 -",
        "ffmpeg -nostdin -v error -i \"$FILE\" -f wav -",
        "ffmpeg -nostdin -v error -i \"$FILE\" -c:a libopus -f webm -",
        "ffmpeg -nostdin -v error -i \"$FILE\" -c:a wmav2 -f asf -",
    ] {
        let output = through_a_pipe(feeder, &spoken.file, transcribe);
        assert_said(&output, &spoken);
    }
    let output = through_a_pipe("cat \"$FILE\"", &spoken.file, "probe - --json");
    assert!(output.status.success(), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["audio"]["container"], "wav", "{found}");

    // A file as standard input, and a pipe with a name.
    let mut command = scribed(&["transcribe", "-", "--models-dir", "/nonexistent"]);
    command.stdin(fs::File::open(&spoken.file).unwrap());
    assert_said(&command.output().unwrap(), &spoken);
    let script = "mkfifo \"$FOLDER/pipe.wav\" && { cat \"$FILE\" >\"$FOLDER/pipe.wav\" & } && \
                  exec \"$PROGRAM\" transcribe \"$FOLDER/pipe.wav\" --models-dir /nonexistent";
    let folder = tempfile::tempdir().unwrap();
    let mut sh = Command::new("sh");
    sh.args(["-c", script]).env("PROGRAM", PROGRAM);
    sh.env("FILE", &spoken.file).env("FOLDER", folder.path());
    assert_said(&sh.output().unwrap(), &spoken);
}

#[test]
fn help_names_it() {
    let help = text(&scribed(&["--help"]).output().unwrap().stdout);
    assert!(help.contains("\n  probe "), "{help}");
    let help = text(&scribed(&["probe", "--help"]).output().unwrap().stdout);
    assert!(
        help.contains("--json") && help.contains("standard input"),
        "{help}"
    );
    let help = text(&scribed(&["transcribe", "--help"]).output().unwrap().stdout);
    assert!(help.contains("standard input"), "{help}");
}
