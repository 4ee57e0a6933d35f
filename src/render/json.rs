//! JSON of our own.

use std::io;

use serde_json::{Value, json};

use super::transcript::Segments;
use crate::protocol::Segment;

/// The `result` of a completed task.
pub fn result(language: Option<&str>, segments: Segments<'_>) -> io::Result<Value> {
    let segments = segments.map(|segment| {
        let Segment {
            start,
            end,
            text,
            words,
            ..
        } = segment?;
        Ok(json!({ "start": start, "end": end, "text": text, "words": words }))
    });
    let segments: Vec<Value> = segments.collect::<io::Result<_>>()?;
    Ok(json!({ "segments": segments, "language": language }))
}
