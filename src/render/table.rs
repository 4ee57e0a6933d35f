//! A line for each segment.

use std::io;

use super::subtitles::milliseconds;
use super::transcript::Segments;

/// The text of each.
pub fn txt(segments: Segments<'_>) -> io::Result<String> {
    segments.map(|segment| Ok(segment?.text + "\n")).collect()
}

/// Start and end in milliseconds, text; with a header.
pub fn tsv(segments: Segments<'_>) -> io::Result<String> {
    let mut table = "start\tend\ttext\n".to_owned();
    for segment in segments {
        let segment = segment?;
        let [start, end] = [segment.start, segment.end].map(milliseconds);
        let text = segment.text.replace(['\t', '\n', '\r'], " ");
        table += &format!("{start}\t{end}\t{text}\n");
    }
    Ok(table)
}
