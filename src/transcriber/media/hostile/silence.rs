//! Hours of silence in a few kilobytes.

use std::process::Command;

use super::{DecodedUpTo, check};
use crate::media::{Limits, Recording, Source, ffmpeg};
use crate::speech::Cutter;
use crate::testing;

/// Silence of this duration, encoded by ffmpeg.
fn silence(duration_s: u32, extension: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silence").with_extension(extension);
    let status = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "anullsrc=r=16000:cl=mono",
        ])
        .args(["-t", &duration_s.to_string()])
        .args(arguments)
        .arg(&path)
        .status()
        .expect("ffmpeg is needed for this test");
    assert!(status.success());
    std::fs::read(path).unwrap()
}

#[test]
fn silence_is_decoded_and_never_reaches_the_model() {
    for (extension, arguments) in [
        ("flac", &["-compression_level", "8"][..]),
        (
            "opus",
            &["-c:a", "libopus", "-b:a", "6k", "-frame_duration", "60"],
        ),
    ] {
        let content = silence(600, extension, arguments);
        check(extension, &content, DecodedUpTo(601.0));
        let (windows, audible) = windows(&content);
        assert!(
            audible == 0 && windows <= 6,
            "{extension}: {windows}, {audible}"
        );
    }
}

/// Number of windows of a recording, and how many of them a model would process.
fn windows(content: &[u8]) -> (usize, usize) {
    let source = Source::new(testing::file(content), content.len() as u64);
    let limits = Limits {
        max_duration_s: 100_000.0,
        keep_going: &|| true,
    };
    let mut recording = Recording::open(source, None, &limits).unwrap();
    let mut cutter = Cutter::default();
    let mut samples = Vec::new();
    let (mut count, mut audible) = (0, 0);
    loop {
        let more = recording.read(&mut samples).unwrap();
        cutter.push(&samples);
        samples.clear();
        if !more {
            cutter.finish();
        }
        while let Some(window) = cutter.next_window() {
            count += 1;
            audible += usize::from(window.audible);
        }
        if !more {
            return (count, audible);
        }
    }
}

/// The cost of a day of silence, in a release build:
/// `cargo test --release --bin scribed-transcriber a_day_of_silence_costs --
/// --ignored --nocapture`
#[test]
#[ignore = "takes a while, and says something in a release build only"]
fn a_day_of_silence_costs() {
    for (extension, arguments) in [
        ("flac", &["-compression_level", "8"][..]),
        (
            "opus",
            &["-c:a", "libopus", "-b:a", "6k", "-frame_duration", "60"],
        ),
        ("mp3", &["-c:a", "libmp3lame", "-b:a", "8k"]),
    ] {
        // Encoders are slower than decoders: an hour, 24 times.
        let content = silence(3600, extension, arguments).repeat(24);
        let begun = testing::cpu_time();
        let (windows, audible) = ffmpeg::without(|| windows(&content));
        let time = testing::cpu_time() - begun;
        println!(
            "{extension}: {} bytes, {windows} windows, {audible} audible, {time:?}",
            content.len()
        );
    }
}
