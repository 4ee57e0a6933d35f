//! Downloads a recording.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, LOCATION};
use hyper::{Method, Request, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::connection::{ConnectionTask, connection_lost, send};
use super::failure::MAX_REDIRECTS;
use super::pace::Pace;
use super::places::Place;
use super::{Failure, HttpUrl, Outgoing, UrlError};

const TOO_SLOW: Failure = Failure::Slow("to send all of it (callbacks.download_timeout)");
const TRICKLES: Failure = Failure::Slow("to send more of it: less than 2 KiB/s have arrived");

/// A download in progress.
#[derive(Debug)]
pub struct Download {
    /// The headers of the response.
    pub headers: HeaderMap,
    body: Incoming,
    deadline: Instant,
    /// From the first bytes on.
    pace: Option<Pace>,
    pace_window: Duration,
    _connection: ConnectionTask,
    _place: Place,
}

impl Outgoing {
    /// Sends a GET request, follows redirects and waits for the head of the
    /// response.
    pub async fn fetch(&self, url: &HttpUrl) -> Result<Download, Failure> {
        let deadline = Instant::now() + self.download_timeout;
        timeout_at(deadline, self.get(url, deadline))
            .await
            .map_err(|_| TOO_SLOW)?
    }

    async fn get(&self, url: &HttpUrl, deadline: Instant) -> Result<Download, Failure> {
        let mut url = url.clone();
        let mut place = self.downloads.take(url.host())?;
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
                    return Ok(Download {
                        headers: head.headers,
                        body,
                        deadline,
                        pace: None,
                        pace_window: self.pace_window,
                        _connection: connection,
                        _place: place,
                    });
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
                    place = place.redirected(url.host())?;
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
            let begun = Instant::now();
            let window = self.pace.as_ref().map(|pace| begun + pace.left());
            let limit = window.map_or(self.deadline, |end| end.min(self.deadline));
            let frame = timeout_at(limit, self.body.frame()).await;
            if frame.is_err() && Instant::now() >= self.deadline {
                return Some(Err(TOO_SLOW));
            }
            let data = match frame {
                // A window has ended.
                Err(_) => None,
                Ok(None) => return None,
                Ok(Some(Err(error))) => return Some(Err(connection_lost(error))),
                // Trailers are ignored.
                Ok(Some(Ok(frame))) => frame.into_data().ok(),
            };
            let count = data.as_ref().map_or(0, Bytes::len) as u64;
            let is_fast = match &mut self.pace {
                Some(pace) => pace.count(begun.elapsed(), count),
                None => true,
            };
            match data {
                _ if !is_fast => return Some(Err(TRICKLES)),
                Some(bytes) => {
                    let window = self.pace_window;
                    self.pace.get_or_insert_with(|| Pace::over(window));
                    return Some(Ok(bytes));
                }
                None => {}
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
