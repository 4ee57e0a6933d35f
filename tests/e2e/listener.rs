//! Clients of the live progress: a WebSocket and server-sent events.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

use crate::http::Connection;

/// Longer than between two heartbeats.
const SILENCE: Duration = Duration::from_secs(120);

/// So many in a row, and what is waited for does not come.
const HEARTBEATS_MAX: usize = 10;

/// Somebody who listens.
pub enum Listener {
    /// To a WebSocket.
    Socket(Box<WebSocket<TcpStream>>),
    /// To server-sent events.
    Events(BufReader<TcpStream>),
}

/// A way to listen: to which daemon, what id, with which headers.
type Way = fn(SocketAddr, &str, &[(&str, &str)]) -> Listener;

/// Both of them.
pub const WAYS: [Way; 2] = [Listener::socket, Listener::events];

impl Listener {
    /// `GET /ws/tasks/{id}`, where `id` may have a query behind it.
    #[track_caller]
    pub fn socket(address: SocketAddr, id: &str, headers: &[(&str, &str)]) -> Listener {
        Listener::socket_over(Connection::open(address).unwrap(), id, headers).unwrap()
    }

    /// The same over a connection.
    pub fn socket_over(
        connection: Connection,
        id: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Listener> {
        let upgrade = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let path = format!("/ws/tasks/{id}");
        let (head, stream) = open(connection, &path, &[&upgrade, headers].concat())?;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert!(
            head.to_lowercase().contains(&accept.to_lowercase()),
            "{head}"
        );
        // No more was read than the head, so nothing is lost with the buffer.
        let stream = stream.into_inner();
        let socket = WebSocket::from_raw_socket(stream, Role::Client, None);
        Ok(Listener::Socket(Box::new(socket)))
    }

    /// `GET /task/{id}/events`, where `id` may have a query behind it.
    #[track_caller]
    pub fn events(address: SocketAddr, id: &str, headers: &[(&str, &str)]) -> Listener {
        Listener::events_over(Connection::open(address).unwrap(), id, headers).unwrap()
    }

    /// The same over a connection.
    pub fn events_over(
        connection: Connection,
        id: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Listener> {
        let (path, query) = id.split_once('?').unwrap_or((id, ""));
        let path = format!("/task/{path}/events?{query}");
        let (head, stream) = open(connection, &path, headers)?;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        for header in [
            "content-type: text/event-stream",
            "cache-control: no-store",
            // nginx keeps it to itself.
            "x-accel-buffering: no",
        ] {
            let head = head.to_lowercase();
            let is_there = head.contains(header) || head.contains("server: nginx");
            assert!(is_there, "{head}");
        }
        Ok(Listener::Events(stream))
    }

    /// The next message; `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        match self {
            Listener::Socket(socket) => loop {
                match socket.read() {
                    Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                    Ok(Message::Close(_)) | Err(Error::ConnectionClosed) => return None,
                    Ok(_) => {}
                    Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                        panic!("nothing for {SILENCE:?}")
                    }
                    Err(_) => return None,
                }
            },
            Listener::Events(stream) => loop {
                let mut line = String::new();
                match stream.read_line(&mut line) {
                    Ok(0) => panic!("cut off"),
                    Ok(_) => {}
                    Err(error) => panic!("nothing for {SILENCE:?}, or cut off: {error}"),
                }
                // Lines between are those of the chunked coding, and this its last.
                if line == "0\r\n" {
                    return None;
                }
                if let Some(data) = line.strip_prefix("data: ") {
                    return Some(serde_json::from_str(data).unwrap());
                }
            },
        }
    }

    /// The next message that is no heartbeat.
    #[track_caller]
    pub fn news(&mut self) -> Value {
        for _ in 0..HEARTBEATS_MAX {
            let message = self.next().expect("another message");
            if message["type"] != "heartbeat" {
                return message;
            }
        }
        panic!("nothing but heartbeats")
    }

    /// Everything up to a message of that kind, or that stage, and with it.
    #[track_caller]
    pub fn up_to(&mut self, wanted: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let message = self.news();
            let is_it = message["type"] == wanted || message["stage"] == wanted;
            all.push(message);
            if is_it {
                return all;
            }
        }
    }

    /// The code that a WebSocket is closed with, whatever comes before.
    #[track_caller]
    pub fn close_code(&mut self) -> u16 {
        let Listener::Socket(socket) = self else {
            panic!("not a WebSocket")
        };
        loop {
            match socket.read().expect("a close frame") {
                Message::Close(frame) => return frame.expect("a code").code.into(),
                message => assert!(!message.to_string().contains("heartbeat"), "still open"),
            }
        }
    }

    /// Sends a text over a WebSocket.
    pub fn send(&mut self, text: &str) -> Result<(), Error> {
        let Listener::Socket(socket) = self else {
            panic!("not a WebSocket")
        };
        socket.send(Message::text(text))
    }
}

/// Sends a request and reads the head of its answer.
fn open(
    mut connection: Connection,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<(String, BufReader<TcpStream>)> {
    connection.send_head("GET", path, headers, None)?;
    let mut stream = connection.into_stream();
    stream.set_read_timeout(Some(SILENCE))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    stream.flush()?;
    let head = String::from_utf8_lossy(&head).into_owned();
    Ok((head, BufReader::new(stream)))
}

/// A connection of one of several clients.
pub fn connection(address: SocketAddr, number: usize) -> io::Result<Connection> {
    let client = Ipv4Addr::new(127, 0, 0, 2 + (number % 8) as u8);
    Connection::open_from(client, address)
}
