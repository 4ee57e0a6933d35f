//! JSON of our own.

use std::io;

use serde_json::{Value, json};

use super::document::Document;
use super::transcript::Transcript;
use crate::protocol::Segment;

/// The `result` of a completed task.
pub fn result(transcript: &Transcript) -> Document {
    let language = json!(transcript.language);
    let document = Document::new(transcript.read.clone());
    let document = document.text(format!(r#"{{"language":{language},"segments":["#));
    array(document, |segment| {
        let Segment {
            start,
            end,
            text,
            words,
            ..
        } = segment;
        [json!({ "start": start, "end": end, "text": text, "words": words })]
    })
    .text("]}")
}

/// Adds the values of every segment, as those of an array.
pub(super) fn array<V: IntoIterator<Item = Value>>(
    document: Document,
    mut values: impl FnMut(Segment) -> V + Send + 'static,
) -> Document {
    let mut separator = None;
    document.each(move |segment, json| {
        for value in values(segment) {
            json.extend(separator.replace(b','));
            serde_json::to_writer(&mut *json, &value)?;
        }
        Ok(())
    })
}

/// A text as a part of a string.
pub(super) fn escape(text: &str, json: &mut Vec<u8>) -> io::Result<()> {
    let quoted = serde_json::to_string(text)?;
    json.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
    Ok(())
}
