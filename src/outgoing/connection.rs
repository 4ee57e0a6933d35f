//! One request over a connection of its own.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::tls::Tls;
use super::{Address, Failure};

/// Finding the host and connecting to it; the same again for the encryption.
const CONNECT: Duration = Duration::from_secs(10);
/// Taking the request, and thinking about it.
const HEAD: Duration = Duration::from_secs(30);
/// No longer head is read.
const HEAD_MAX_BYTES: usize = 32 << 10;

/// Keeps a connection going; ends it when dropped.
#[derive(Debug)]
pub(super) struct Going(#[allow(dead_code, reason = "held")] JoinSet<()>);

/// Sends a request, which needs no more than its method and its own headers.
pub(super) async fn send<B>(
    tls: &Tls,
    address: &Address,
    request: Builder,
    body: B,
) -> Result<(Response<Incoming>, Going), Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let request = request
        .uri(address.target())
        .header(HOST, address.authority())
        .header(USER_AGENT, super::USER_AGENT)
        .header(CONNECTION, "close")
        .body(body)
        .map_err(|error| Failure::Lost(error.to_string()))?;
    let stream = TcpStream::connect((address.host(), address.port()));
    let stream = timeout(CONNECT, stream)
        .await
        .map_err(|_| Failure::Slow("to connect"))?
        .map_err(|error| Failure::Unreachable(error.to_string()))?;
    // Small requests must not wait for more.
    let _ = stream.set_nodelay(true);
    if !address.is_https() {
        return over(stream, request).await;
    }
    let stream = timeout(CONNECT, tls.over(stream, address))
        .await
        .map_err(|_| Failure::Slow("to connect"))??;
    over(stream, request).await
}

async fn over<T, B>(stream: T, request: Request<B>) -> Result<(Response<Incoming>, Going), Failure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(lost)?;
    let mut going = JoinSet::new();
    going.spawn(async move {
        // What went wrong is told to whoever reads the answer.
        let _ = connection.await;
    });
    let response = timeout(HEAD, sender.send_request(request))
        .await
        .map_err(|_| Failure::Slow("to answer"))?
        .map_err(lost)?;
    Ok((response, Going(going)))
}

/// With what is below: hyper's own words say little.
pub(super) fn lost(error: hyper::Error) -> Failure {
    Failure::Lost(match error.source() {
        Some(below) => format!("{error} ({below})"),
        None => error.to_string(),
    })
}
