//! Telling somebody something.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};

use super::connection::send;
use super::{Address, Failure, Outgoing};

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
        let (answer, _going) = send(&self.tls, address, request, Full::new(json)).await?;
        Ok(answer.status())
    }
}
