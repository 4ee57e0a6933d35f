//! A line for each segment.

use std::io::Write;

use super::document::Document;
use super::subtitles::milliseconds;

/// The text of each.
pub fn txt(document: Document) -> Document {
    document.each(|segment, line| writeln!(line, "{}", segment.text))
}

/// Start and end in milliseconds, text; with a header.
pub fn tsv(document: Document) -> Document {
    document.text("start\tend\ttext\n").each(|segment, line| {
        let [start, end] = [segment.start, segment.end].map(milliseconds);
        let text = segment.text.replace(['\t', '\n', '\r'], " ");
        writeln!(line, "{start}\t{end}\t{text}")
    })
}
