//! Sends one request over a new connection.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Failure, HttpUrl, Outgoing, OwnAddresses, UrlError};

/// Limit for name resolution and TCP connect together, and for the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit for sending the request and receiving the head of the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// The size of the receive buffer, and so the longest response head.
const BUFFER_BYTES: usize = 128 << 10;

/// Drives the connection; closes it when dropped.
#[derive(Debug)]
pub(super) struct ConnectionTask(#[allow(dead_code, reason = "held")] JoinSet<()>);

/// Sends a request. `request` needs only a method and its own headers.
pub(super) async fn send<B>(
    outgoing: &Outgoing,
    url: &HttpUrl,
    request: Builder,
    body: B,
) -> Result<(Response<Incoming>, ConnectionTask), Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let request = request
        .uri(url.target())
        .header(HOST, url.authority())
        .header(USER_AGENT, super::USER_AGENT)
        .header(CONNECTION, "close")
        .body(body)
        .map_err(|error| Failure::Lost(error.to_string()))?;
    let stream = timeout(CONNECT_TIMEOUT, connect(&outgoing.own, url))
        .await
        .map_err(|_| Failure::Slow("to connect"))??;
    // Small requests must not be delayed (Nagle's algorithm).
    let _ = stream.set_nodelay(true);
    if !url.is_https() {
        return exchange(stream, request).await;
    }
    let stream = timeout(CONNECT_TIMEOUT, outgoing.tls.connect(stream, url))
        .await
        .map_err(|_| Failure::Slow("to connect"))??;
    exchange(stream, request).await
}

/// Resolves the name and connects to what it was checked to be.
async fn connect(own: &OwnAddresses, url: &HttpUrl) -> Result<TcpStream, Failure> {
    let unreachable = |error: io::Error| Failure::Unreachable(error.to_string());
    let addresses = lookup_host((url.host(), url.port())).await;
    let addresses: Vec<SocketAddr> = addresses.map_err(unreachable)?.collect();
    if addresses.iter().any(|address| own.contains(*address)) {
        return Err(UrlError::Own.into());
    }
    TcpStream::connect(&*addresses).await.map_err(unreachable)
}

async fn exchange<T, B>(
    stream: T,
    request: Request<B>,
) -> Result<(Response<Incoming>, ConnectionTask), Failure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(connection_lost)?;
    let mut task = JoinSet::new();
    task.spawn(async move {
        // Reading the response returns the error.
        let _ = connection.await;
    });
    let response = timeout(RESPONSE_TIMEOUT, sender.send_request(request))
        .await
        .map_err(|_| Failure::Slow("to answer"))?
        .map_err(connection_lost)?;
    Ok((response, ConnectionTask(task)))
}

/// Includes the source of the error: hyper's own message says little.
pub(super) fn connection_lost(error: hyper::Error) -> Failure {
    Failure::Lost(match error.source() {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    })
}
