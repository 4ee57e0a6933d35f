//! The end of a connection.

use std::io::Write;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::headers::date::http_date;

/// How much is still read of a client whose connection is over ...
const LINGER_BYTES: u64 = 64 << 20;
/// ... and for how long.
const LINGER: Duration = Duration::from_secs(3);

/// Closes a connection without harm to what was answered last: a client in the
/// middle of sending something would else meet a reset connection instead of
/// it (RFC 9112, section 9.6).
pub async fn close(mut stream: TcpStream, last_words: &str) {
    let close = async {
        stream.write_all(last_words.as_bytes()).await?;
        stream.shutdown().await?;
        let mut unwanted = stream.take(LINGER_BYTES);
        tokio::io::copy(&mut unwanted, &mut tokio::io::sink()).await
    };
    // Who goes on for longer is cut.
    let _ = tokio::time::timeout(LINGER, close).await;
}

/// Turns a connection away, as far as that can be said without waiting.
pub fn refuse(stream: TcpStream) {
    let text = "too many connections from this address; close some of them\n";
    let answer = answer("503 Service Unavailable\r\nRetry-After: 1", text);
    // Who does not hear it finds the connection closed.
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(answer.as_bytes());
    }
}

/// The answer to a head that did not come to its end (RFC 9110, section 15.5.9).
pub fn too_slow() -> String {
    let text = "the head of the request took longer than the header_timeout of this server\n";
    answer("408 Request Timeout", text)
}

fn answer(status: &str, text: &str) -> String {
    let date = http_date(SystemTime::now());
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nDate: {date}\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}
