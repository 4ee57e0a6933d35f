//! The end of a connection.

use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::io::Connection;
use crate::http::headers::date::http_date;

/// How much is still read from a connection that is being closed.
const LINGER_BYTES: u64 = 64 << 20;
/// For how long it is read.
const LINGER: Duration = Duration::from_secs(3);

/// Writes a last response, if there is one, and closes a connection so that the
/// client can read it: one in the middle of sending would else see a reset
/// connection instead (RFC 9112, section 9.6).
pub async fn lingering_close(mut connection: Connection, final_response: &str) {
    let close = async {
        connection.write_all(final_response.as_bytes()).await?;
        connection.shutdown().await?;
        let mut rest = connection.take(LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // A client that sends for longer is cut.
    let _ = tokio::time::timeout(LINGER, close).await;
}

/// Refuses a connection with 503, without waiting for the client.
pub fn refuse(connection: &Connection) {
    let text = "too many connections from this address; close some of them\n";
    let response = response("503 Service Unavailable\r\nRetry-After: 1", text);
    connection.write_now(response.as_bytes());
}

/// 408: the head of a request did not arrive in time (RFC 9110, section 15.5.9).
pub fn too_slow() -> String {
    let text = "the head of the request took longer than the header_timeout of this server\n";
    response("408 Request Timeout", text)
}

fn response(status: &str, text: &str) -> String {
    let date = http_date(SystemTime::now());
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nDate: {date}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}
