//! Sends JSON to a URL.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};

use super::connection::send;
use super::{Failure, HttpUrl, Outgoing};

impl Outgoing {
    /// POSTs JSON and returns the status of the response; its body is not read.
    /// Redirects are not followed: the content is meant for this URL only.
    pub async fn post(
        &self,
        url: &HttpUrl,
        headers: &HeaderMap,
        json: Bytes,
    ) -> Result<StatusCode, Failure> {
        self.permit(url)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (response, _connection) = send(self, url, request, Full::new(json)).await?;
        Ok(response.status())
    }
}
