//! Subtitles: a cue for each segment.

use std::io::Write;

use super::document::Document;

/// SubRip.
pub fn srt(document: Document) -> Document {
    let mut number = 0;
    document.each(move |segment, cues| {
        number += 1;
        let [start, end] = [segment.start, segment.end].map(|time| clock(time, ','));
        let text = cue(&segment.text);
        write!(cues, "{number}\n{start} --> {end}\n{text}\n\n")
    })
}

/// WebVTT.
pub fn vtt(document: Document) -> Document {
    document.text("WEBVTT\n\n").each(|segment, cues| {
        let [start, end] = [segment.start, segment.end].map(|time| clock(time, '.'));
        let text = segment.text.replace('&', "&amp;").replace('<', "&lt;");
        write!(cues, "{start} --> {end}\n{}\n\n", cue(&text))
    })
}

/// Whole milliseconds, rounded; never negative.
pub(super) fn milliseconds(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

/// HH:MM:SS and milliseconds; more than 99 hours take more digits.
fn clock(seconds: f64, separator: char) -> String {
    let ms = milliseconds(seconds);
    let (s, ms) = (ms / 1000, ms % 1000);
    let (h, min, s) = (s / 3600, s / 60 % 60, s % 60);
    format!("{h:02}:{min:02}:{s:02}{separator}{ms:03}")
}

/// An empty line or an arrow would end a cue.
fn cue(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace("-->", "->")
}
