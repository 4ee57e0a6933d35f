//! Recordings that are longer than `transcribe.max_duration`, as their heads
//! say or as is noticed while they are decoded.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::daemon::{Daemon, PROGRAM, run_under};
use crate::support::speech;
use crate::support::task;
use crate::support::tus;

const LIMIT_S: u32 = 30;
/// CPU time in seconds that is plenty for reading a head.
const CPU_LIMIT: &str = "--cpu=20";
const CONFIGURATION: &str = "[transcribe]\nmax_duration = '30s'\n";

/// Silence of that length, as ffmpeg writes it to a pipe: into a head that it
/// cannot come back to.
fn silence(length_s: u32, arguments: &str) -> Vec<u8> {
    let path = speech::cached(&("too long", length_s, arguments), "raw", |path| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"]);
        ffmpeg.args(["anullsrc=r=8000:cl=mono", "-t", &length_s.to_string()]);
        ffmpeg.args(arguments.split_whitespace()).arg("pipe:1");
        ffmpeg.stdout(fs::File::create(path).unwrap());
        speech::run(&mut ffmpeg);
    });
    fs::read(path).unwrap()
}

/// A WAV file of silence.
fn wav(length_s: u32) -> Vec<u8> {
    speech::wav(&vec![0; (length_s * speech::RATE_HZ) as usize])
}

#[test]
fn recordings_that_are_too_long_fail_with_the_limit_and_others_do_not() {
    let daemon = Daemon::start_unready(Daemon::folder_with(CONFIGURATION), &[]);
    let address = daemon.address();
    let (long_s, short_s) = (LIMIT_S + 2, LIMIT_S - 2);
    type Make = fn(u32) -> Vec<u8>;
    let kinds: [(&str, Make); 5] = [
        ("a.wav", wav),
        ("a.mp3", |s| {
            silence(s, "-write_xing 0 -id3v2_version 0 -f mp3")
        }),
        ("a.flac", |s| silence(s, "-f flac")),
        ("a.wma", |s| silence(s, "-c:a wmav2 -f asf")),
        ("a.gsm", |s| silence(s, "-c:a libgsm -f gsm")),
    ];
    for (name, make) in kinds {
        let long = tus::upload(address, name, &make(long_s));
        let short = tus::upload(address, name, &make(short_s));
        let error = task::failure(address, long.id());
        let expected = "the recording is longer than 30s (transcribe.max_duration)";
        assert_eq!(error, expected, "{name}");
        let task = task::ended(address, short.id());
        assert_eq!(task["status"], "completed", "{name}: {task}");
    }
}

#[test]
fn the_head_of_a_recording_is_enough_to_refuse_it() {
    // A day and an hour of silence: who decodes it is killed.
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("day.wav");
    let rate_hz = 8000;
    let data_bytes: u32 = 25 * 3600 * rate_hz * 2;
    let mut head = speech::wav(&[]);
    head[4..8].copy_from_slice(&(36 + data_bytes).to_le_bytes());
    head[24..28].copy_from_slice(&rate_hz.to_le_bytes());
    head[28..32].copy_from_slice(&(rate_hz * 2).to_le_bytes());
    head[40..44].copy_from_slice(&data_bytes.to_le_bytes());
    fs::write(&recording, head).unwrap();
    let file = fs::File::options().write(true).open(&recording).unwrap();
    file.set_len(44 + u64::from(data_bytes)).unwrap();
    let probe = |configuration: &str| {
        let path = folder.path().join("scribed.toml");
        fs::write(&path, configuration).unwrap();
        let mut scribed = Command::new(PROGRAM);
        scribed
            .arg("probe")
            .arg(&recording)
            .arg("--config")
            .arg(path);
        run_under(&mut scribed, &["prlimit", CPU_LIMIT]);
        let output = scribed.stdout(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let expected = |limit: &str| {
        format!("scribed: the recording is longer than {limit} (transcribe.max_duration)\n")
    };
    assert_eq!(probe(""), expected("1day"));
    assert_eq!(probe(CONFIGURATION), expected("30s"));
}
