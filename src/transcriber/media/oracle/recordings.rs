//! Real recordings, which lie beside the repository where they are at hand.

use std::fs;
use std::path::{Path, PathBuf};

use super::expected::{Expected, Part, Warning};
use super::reference::Times;
use super::report::{self, Row};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech")
}

/// What is expected of files of which ffmpeg does not know better.
fn expected(name: &str) -> Expected {
    let file = |name: &str| folder().join(name);
    match name {
        "derived-bad-text-named.wav" => Expected::refused().because("it is text"),
        "derived-bad-zero-bytes.wav" | "aeneas-mono.empty.wav" => {
            Expected::refused().because("it is empty")
        }
        "aeneas-mono.zero.wav" | "aeneas-mono.invalid.wav" | "pocketsphinx-awful.wav" => {
            Expected::refused().because("it holds no sound")
        }
        "derived-bad-truncated.mp3" => Expected::like_ffmpeg()
            .warning(Warning::May)
            .within(0.2)
            .because("it was cut short"),
        "derived-stereo-antiphase.wav" | "findings/phase.mp3" => {
            Expected::like_ffmpeg().because("one channel is the other one inverted")
        }
        "findings/two_default2.mkv" => {
            Expected::track(1, Times::Mended).because("the second track is the default")
        }
        "findings/two_silentfirst.mkv" => Expected::track(1, Times::Mended)
            .warning(Warning::May)
            .because("the first track is silent"),
        "findings/mp3-two-files-joined.mp3" | "findings/mp3-mono-then-stereo.mp3" => {
            Expected::like_ffmpeg().because("the files were joined")
        }
        "x" => Expected::parts([Part::All(file("x"))]),
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
            Row {
                expected: expected(&name),
                name,
                path,
            }
        })
        .filter(|row| !report::is_left_out(&row.name))
        .collect()
}

#[test]
fn real_recordings_sound_like_in_ffmpeg() {
    report::judge("recordings", &rows(""), &[]);
}

#[test]
fn recordings_that_once_failed_sound_like_in_ffmpeg() {
    report::judge("findings", &rows("findings"), &[]);
}
