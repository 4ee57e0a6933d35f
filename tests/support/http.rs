//! A small HTTP/1.1 client that also misbehaves on demand: one connection per
//! request, every wait bounded, and bodies can be cut off in the middle.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

/// Longest silence on a connection before it is an error.
const SILENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body without its transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// First header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A header that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// This response if it has that status; `what` is what was tried.
    #[track_caller]
    pub fn expect(self, status: u16, what: &str) -> Response {
        let body = self.text();
        assert_eq!(self.status, status, "{what}: {:?} {body}", self.headers);
        self
    }
}

/// How a connection is cut off.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// In the middle, as by a client that was stopped (FIN).
    Close,
    /// In the middle, as by a client that crashed (RST).
    Reset,
}

/// One connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        Connection::over(TcpStream::connect_timeout(&address, SILENCE)?)
    }

    /// The same from an address of this machine, say 127.0.0.7.
    pub fn open_from(client: Ipv4Addr, address: SocketAddr) -> io::Result<Connection> {
        let SocketAddr::V4(address) = address else {
            return Err(invalid("not IPv4"));
        };
        let (kind, flags) = (SockType::Stream, SockFlag::SOCK_CLOEXEC);
        let socket = socket(AddressFamily::Inet, kind, flags, None)?;
        let client = SocketAddrV4::new(client, 0);
        bind(socket.as_raw_fd(), &SockaddrIn::from(client))?;
        connect(socket.as_raw_fd(), &SockaddrIn::from(address))?;
        Connection::over(TcpStream::from(socket))
    }

    fn over(stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends the head of a request; `length` announces a body.
    pub fn send_head(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        length: Option<usize>,
    ) -> io::Result<()> {
        let host = self.stream.get_ref().peer_addr()?;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(length) = length {
            head += &format!("Content-Length: {length}\r\n");
        }
        head += "\r\n";
        self.send(head.as_bytes())
    }

    /// Reads one response; interim ones (1xx) are skipped.
    pub fn receive(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let response = self.receive_any(method)?;
            if !(100..200).contains(&response.status) {
                return Ok(response);
            }
        }
    }

    /// Reads one response, which may be an interim one (1xx).
    pub fn receive_any(&mut self, method: &str) -> io::Result<Response> {
        let status_line = self.line()?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| invalid(&format!("status line {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(&format!("header {line:?}")))?;
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
            response.body = self.body(&response)?;
        }
        Ok(response)
    }

    /// Reads exactly so many bytes as they come.
    pub fn read_exactly(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.stream.read_exact(bytes)
    }

    /// What is left when something else than HTTP follows. Nothing may have
    /// been received before.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.stream.buffer().is_empty(), "received already");
        self.stream.into_inner()
    }

    /// Cuts the connection off.
    pub fn cut(self, how: Cut) {
        if let Cut::Reset = how {
            let linger = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            setsockopt(self.stream.get_ref(), sockopt::Linger, &linger).expect("SO_LINGER");
        }
        drop(self);
    }

    fn body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if response
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            loop {
                let line = self.line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).map_err(|_| invalid("chunk size"))?;
                self.exactly(size, &mut body)?;
                if size == 0 {
                    while !self.line()?.is_empty() {}
                    return Ok(body);
                }
                self.line()?;
            }
        }
        match response.number("content-length") {
            Some(length) => self.exactly(length, &mut body)?,
            None => drop(self.stream.read_to_end(&mut body)?),
        }
        Ok(body)
    }

    fn exactly(&mut self, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let copied = self.stream.by_ref().take(length).read_to_end(into)? as u64;
        if copied < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// One request on a connection of its own. A server may answer before it has
/// read the whole body and close: its answer counts, not the failed write.
pub fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> io::Result<Response> {
    let mut connection = Connection::open(address)?;
    let headers = [headers, &[("Connection", "close")]].concat();
    connection.send_head(method, target, &headers, body.map(<[u8]>::len))?;
    let sent = connection.send(body.unwrap_or_default());
    connection.receive(method).map_err(|error| match sent {
        Ok(()) => error,
        Err(sent) => sent,
    })
}

/// One request on a connection of its own, with the body if the method is POST or
/// PATCH. No answer is a panic.
#[track_caller]
pub fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let body = (method == "POST" || method == "PATCH").then_some(body);
    request(address, method, target, headers, body)
        .unwrap_or_else(|error| panic!("{method} {target} {headers:?}: {error}"))
}

/// GET.
#[track_caller]
pub fn get(address: SocketAddr, target: &str) -> Response {
    request(address, "GET", target, &[], None).unwrap_or_else(|error| panic!("{target}: {error}"))
}

/// DELETE.
#[track_caller]
pub fn delete(address: SocketAddr, target: &str) -> Response {
    request(address, "DELETE", target, &[], None)
        .unwrap_or_else(|error| panic!("{target}: {error}"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server of one connection: reads the head of a request, says `answer`.
    fn serve(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn understands_every_framing_of_a_body() {
        for (answer, status, body) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Y: z\r\n\r\nhi",
                200,
                "hi",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x\r\ni\r\n0\r\n\r\n",
                200,
                "hi",
            ),
            ("HTTP/1.1 404 Not Found\r\n\r\nhi", 404, "hi"),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            (
                "HTTP/1.1 104 X\r\nA: b\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n",
                201,
                "",
            ),
        ] {
            let response = get(serve(answer), "/");
            assert_eq!((response.status, response.text()), (status, body.into()));
        }
    }

    #[test]
    fn a_body_cut_short_is_an_error() {
        let address = serve("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi");
        assert!(request(address, "GET", "/", &[], None).is_err());
    }

    #[test]
    fn cuts_reach_the_other_side() {
        for (how, expected) in [
            (Cut::Close, None),
            (Cut::Reset, Some(io::ErrorKind::ConnectionReset)),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
            connection.send(b"x").unwrap();
            let mut accepted = listener.accept().unwrap().0;
            accepted.read_exact(&mut [0]).unwrap();
            connection.cut(how);
            let end = accepted.read(&mut [0]);
            assert_eq!(end.err().map(|error| error.kind()), expected, "{how:?}");
        }
    }
}
