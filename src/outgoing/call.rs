//! Telling somebody something.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;

use super::connection::send;
use super::{Address, Failure, Outgoing};

/// For all of it: whoever needs longer for a transcript shall take it first and
/// work on it later.
const PATIENCE: Duration = Duration::from_secs(60);

impl Outgoing {
    /// POSTs JSON; the status of the answer, of which no more is read. Where it
    /// leads elsewhere nobody follows: what is told is for this address.
    pub async fn call(
        &self,
        address: &Address,
        headers: &HeaderMap,
        json: Bytes,
    ) -> Result<StatusCode, Failure> {
        self.permit(address)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let sent = send(&self.tls, address, request, Full::new(json));
        let (answer, _going) = timeout(PATIENCE, sent)
            .await
            .map_err(|_| Failure::Slow("to answer"))??;
        Ok(answer.status())
    }
}
