//! Uploads that are followed, and the messages about them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::fixtures::listener::Listener;
use crate::support::speech::{self, Script, VOICES};
use crate::support::tus::Upload;

/// A short recording.
pub fn spoken() -> Vec<u8> {
    speech::speak(Script::short(VOICES[0], 1)).bytes()
}

/// An upload with an id of the client's choice.
pub fn upload_as(address: SocketAddr, id: &str, length: usize) -> Upload {
    let metadata = [("filename", "a.wav"), ("taskId", id)];
    let upload = Upload::create(address, length, &metadata);
    assert_eq!(upload.id(), id);
    upload
}

/// Whether a message is this progress.
pub fn is_progress(message: &Value, stage: &str, percentage: f64) -> bool {
    message["type"] == "progress"
        && message["stage"] == stage
        && message["percentage"].as_f64() == Some(percentage)
}

/// The percentages of the messages of a stage.
pub fn percentages(messages: &[Value], stage: &str) -> Vec<f64> {
    let progress = messages.iter().filter(|message| message["stage"] == stage);
    progress
        .map(|message| message["percentage"].as_f64().unwrap())
        .collect()
}

/// Sends a ping, which must be answered next.
#[track_caller]
pub fn assert_pong(socket: &mut Listener) {
    socket.send(r#"{"type":"ping"}"#).unwrap();
    assert_eq!(socket.news(), json!({"type": "pong"}));
}
