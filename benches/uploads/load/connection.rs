//! A client connection: HTTP/1.1 over a plain blocking socket, just as much of
//! it as TUS servers need.

use std::ffi::OsString;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use super::pattern::Pattern;

const TIMEOUT: Duration = Duration::from_secs(20);
/// A head that is longer than this is not one.
const HEAD_MOST: usize = 64 << 10;

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Nothing.
    None,
    /// These bytes.
    Bytes(&'a [u8]),
    /// A piece of an upload, see [`Pattern`].
    Piece {
        /// Where the bytes come from.
        pattern: &'a Pattern,
        /// Number of the upload.
        upload: usize,
        /// First byte.
        offset: u64,
        /// Bytes that are announced.
        len: u64,
        /// Bytes that are sent; if less, the socket is closed after them.
        sent: u64,
    },
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Empty if it came in chunks.
    pub body: Vec<u8>,
    head: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// A header's value as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }
}

/// One connection, opened when needed and again when the server had closed it.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    socket: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    /// None is opened yet.
    pub fn to(address: SocketAddr) -> Connection {
        Connection {
            address,
            socket: None,
            received: Vec::new(),
        }
    }

    /// Sends a request and reads the answer; `None` if the body was cut on
    /// purpose. `headers` are whole lines.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: Body,
    ) -> io::Result<Option<Answer>> {
        let length = match body {
            Body::Piece { len, .. } => format!("Content-Length: {len}\r\n"),
            Body::Bytes(bytes) => format!("Content-Length: {}\r\n", bytes.len()),
            Body::None if method == "POST" => "Content-Length: 0\r\n".to_owned(),
            Body::None => String::new(),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nTus-Resumable: 1.0.0\r\n{length}{headers}\r\n",
            self.address
        );
        let reused = self.socket.is_some();
        match self.exchange(method, &head, body) {
            // A server may close an idle connection; HEAD can be tried again.
            Err(_) if reused && method == "HEAD" => {
                self.socket = None;
                self.exchange(method, &head, body)
            }
            result => result,
        }
        .map_err(|error| {
            self.socket = None;
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    io::Error::other(format!("{method}: no answer within {TIMEOUT:?}"))
                }
                _ => error,
            }
        })
    }

    fn exchange(&mut self, method: &str, head: &str, body: Body) -> io::Result<Option<Answer>> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => {
                self.received.clear();
                none.insert(open(self.address)?)
            }
        };
        let sent = send(socket, head.as_bytes(), body);
        if let (Ok(()), Body::Piece { len, sent, .. }) = (&sent, body)
            && sent < len
        {
            self.socket = None;
            return Ok(None);
        }
        // A server that refuses answers before it has read everything.
        let answer = receive(socket, &mut self.received, method).map_err(|error| match sent {
            Err(earlier) => earlier,
            Ok(()) => error,
        })?;
        let closes = answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if closes || answer.status >= 400 {
            self.socket = None;
        }
        Ok(Some(answer))
    }
}

fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    // What most clients on a LAN have. BBR, the default of some systems, sends
    // at the speed it believes the line to have: that would be measured. Where
    // it cannot be chosen, all servers meet the same one.
    let _ = setsockopt(&socket, sockopt::TcpCongestion, &OsString::from("cubic"));
    Ok(socket)
}

fn send(socket: &mut TcpStream, mut head: &[u8], body: Body) -> io::Result<()> {
    let (pattern, upload, offset, sent) = match body {
        Body::None => return socket.write_all(head),
        Body::Bytes(bytes) => {
            socket.write_all(head)?;
            return socket.write_all(bytes);
        }
        Body::Piece {
            pattern,
            upload,
            offset,
            sent,
            ..
        } => (pattern, upload, offset, sent),
    };
    let mut done = 0;
    while !head.is_empty() || done < sent {
        let piece = pattern.at(upload, offset + done, sent - done);
        let written = match socket.write_vectored(&[IoSlice::new(head), IoSlice::new(piece)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let of_head = written.min(head.len());
        head = &head[of_head..];
        done += (written - of_head) as u64;
    }
    Ok(())
}

/// Reads one answer; what follows it stays in `received`.
fn receive(socket: &mut TcpStream, received: &mut Vec<u8>, method: &str) -> io::Result<Answer> {
    loop {
        let end = loop {
            if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if received.len() > HEAD_MOST {
                return Err(io::Error::other("an endless head"));
            }
            more(socket, received)?;
        };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        received.drain(..end);
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|word| word.trim().parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status line"))?;
        let mut answer = Answer {
            status,
            body: Vec::new(),
            head,
        };
        match status {
            100..200 => continue,
            204 | 304 => return Ok(answer),
            _ if method == "HEAD" => return Ok(answer),
            _ => {}
        }
        if answer.header("transfer-encoding").is_some() {
            while !received.ends_with(b"0\r\n\r\n") {
                more(socket, received)?;
            }
            received.clear();
        } else {
            let length = answer.number("content-length").unwrap_or(0) as usize;
            while received.len() < length {
                more(socket, received)?;
            }
            answer.body = received.drain(..length).collect();
        }
        return Ok(answer);
    }
}

fn more(socket: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 4096];
    match socket.read(&mut piece) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => {
            received.extend_from_slice(&piece[..read]);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}
