//! Downloads a recording.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, LOCATION};
use hyper::{Method, Request, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::connection::{ConnectionTask, connection_lost, send};
use super::failure::MAX_REDIRECTS;
use super::{Failure, HttpUrl, Outgoing, UrlError};

const TOO_SLOW: Failure = Failure::Slow("to send all of it (callbacks.download_timeout)");

/// A download in progress.
#[derive(Debug)]
pub struct Download {
    /// The headers of the response.
    pub headers: HeaderMap,
    body: Incoming,
    deadline: Instant,
    _connection: ConnectionTask,
    _permit: OwnedSemaphorePermit,
}

impl Outgoing {
    /// Sends a GET request, follows redirects and waits for the head of the
    /// response.
    pub async fn fetch(&self, url: &HttpUrl) -> Result<Download, Failure> {
        let permit = self.downloads.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Failure::Busy)?;
        let deadline = Instant::now() + self.download_timeout;
        let (head, body, connection) = timeout_at(deadline, self.get(url))
            .await
            .map_err(|_| TOO_SLOW)??;
        Ok(Download {
            headers: head,
            body,
            deadline,
            _connection: connection,
            _permit: permit,
        })
    }

    async fn get(&self, url: &HttpUrl) -> Result<(HeaderMap, Incoming, ConnectionTask), Failure> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = Request::builder()
                .method(Method::GET)
                .header(ACCEPT_ENCODING, "identity");
            let body = Empty::<Bytes>::new();
            let (response, connection) = send(self, &url, request, body).await?;
            let (head, body) = response.into_parts();
            match head.status {
                StatusCode::OK => {
                    require_identity(&head.headers)?;
                    return Ok((head.headers, body, connection));
                }
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    let location = head.headers.get(LOCATION);
                    let location = location.ok_or(UrlError::Invalid)?;
                    let location = str::from_utf8(location.as_bytes());
                    url = url.follow(location.map_err(|_| UrlError::Invalid)?)?;
                    self.permit(&url)?;
                }
                status => return Err(Failure::Status(status)),
            }
        }
        Err(Failure::Redirects)
    }
}

impl Download {
    /// The `Content-Length`, if the server sent one.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.headers
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    /// The next bytes of the body; `None` at its end. A body shorter than its
    /// `Content-Length` is an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            let Ok(frame) = timeout_at(self.deadline, self.body.frame()).await else {
                return Some(Err(TOO_SLOW));
            };
            match frame? {
                Err(error) => return Some(Err(connection_lost(error))),
                // Trailers are ignored.
                Ok(frame) => match frame.into_data() {
                    Ok(bytes) => return Some(Ok(bytes)),
                    Err(_) => continue,
                },
            }
        }
    }
}

/// Rejects a response with a content coding, which would have to be decoded.
fn require_identity(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            let coding = String::from_utf8_lossy(coding.as_bytes());
            Err(Failure::Encoding(coding.chars().take(40).collect()))
        }
        _ => Ok(()),
    }
}
