//! Fetching a recording.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, LOCATION};
use hyper::{Method, Request, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::connection::{Going, lost, send};
use super::failure::MAX_REDIRECTS;
use super::{Address, BadAddress, Failure, Outgoing};

const ALL_OF_IT: Failure = Failure::Slow("to send all of it (callbacks.download_timeout)");

/// A recording that comes in from elsewhere.
#[derive(Debug)]
pub struct Download {
    /// Of the answer that brings it.
    pub headers: HeaderMap,
    body: Incoming,
    deadline: Instant,
    _going: Going,
    _permit: OwnedSemaphorePermit,
}

impl Outgoing {
    /// Asks for it, wherever it has moved to, up to the head of the answer.
    pub async fn fetch(&self, address: &Address) -> Result<Download, Failure> {
        let permit = self.downloads.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Failure::Busy)?;
        let deadline = Instant::now() + self.download_timeout;
        let (head, body, going) = timeout_at(deadline, self.ask(address))
            .await
            .map_err(|_| ALL_OF_IT)??;
        Ok(Download {
            headers: head,
            body,
            deadline,
            _going: going,
            _permit: permit,
        })
    }

    async fn ask(&self, address: &Address) -> Result<(HeaderMap, Incoming, Going), Failure> {
        let mut address = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = Request::builder()
                .method(Method::GET)
                .header(ACCEPT_ENCODING, "identity");
            let body = Empty::<Bytes>::new();
            let (answer, going) = send(&self.tls, &address, request, body).await?;
            let (head, body) = answer.into_parts();
            match head.status {
                StatusCode::OK => {
                    require_plain(&head.headers)?;
                    return Ok((head.headers, body, going));
                }
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    let location = head.headers.get(LOCATION);
                    let location = location.ok_or(BadAddress::Unreadable)?;
                    let location = str::from_utf8(location.as_bytes());
                    address = address.follow(location.map_err(|_| BadAddress::Unreadable)?)?;
                    self.permit(&address)?;
                }
                status => return Err(Failure::Status(status)),
            }
        }
        Err(Failure::Redirects)
    }
}

impl Download {
    /// How much will come, where that is told.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.headers
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    /// The next bytes; `None` at the end, which is the one that was announced.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            let Ok(frame) = timeout_at(self.deadline, self.body.frame()).await else {
                return Some(Err(ALL_OF_IT));
            };
            match frame? {
                Err(error) => return Some(Err(lost(error))),
                // Trailers are no content.
                Ok(frame) => match frame.into_data() {
                    Ok(bytes) => return Some(Ok(bytes)),
                    Err(_) => continue,
                },
            }
        }
    }
}

/// What was asked for, or what would have to be unpacked.
fn require_plain(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            let coding = String::from_utf8_lossy(coding.as_bytes());
            Err(Failure::Encoding(coding.chars().take(40).collect()))
        }
        _ => Ok(()),
    }
}
