//! A WebSocket that hears of one task.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

/// Longer than between two heartbeats.
const SILENCE: Duration = Duration::from_secs(60);

/// A client that listens.
pub struct Listener(WebSocket<TcpStream>);

impl Listener {
    /// Connects, and begins to listen to this id.
    pub fn open(address: SocketAddr, id: &str) -> io::Result<Listener> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let request = format!(
            "GET /ws/tasks/{id} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other("the WebSocket was refused"));
        }
        Ok(Listener(WebSocket::from_raw_socket(
            stream,
            Role::Client,
            None,
        )))
    }

    /// The next message; `None` if none is there and reading does not wait.
    pub fn next(&mut self) -> io::Result<Option<Value>> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Ok(Some(serde_json::from_str(&text)?)),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(None);
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    /// Reads on until its progress is that.
    pub fn until(&mut self, stage: &str, percentage: f64) -> io::Result<()> {
        loop {
            let message = self.next()?;
            let message = message.ok_or_else(|| io::Error::other("no message for a long time"))?;
            if is_at(&message, stage, percentage) {
                return Ok(());
            }
            if message["type"] == "error" {
                return Err(io::Error::other(format!("a task failed: {message}")));
            }
        }
    }

    /// Its socket.
    pub fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }
}

/// Whether a message says this.
pub fn is_at(message: &Value, stage: &str, percentage: f64) -> bool {
    message["stage"] == stage && message["percentage"].as_f64() == Some(percentage)
}
