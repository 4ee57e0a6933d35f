//! Sends JSON to a URL.

use std::error::Error;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};

use super::connection::send;
use super::{Failure, HttpUrl, Outgoing};

impl Outgoing {
    /// POSTs JSON of this length in bytes and returns the status of the response;
    /// its body is not read. Redirects are not followed: the content is meant for
    /// this URL only.
    pub async fn post<B>(
        &self,
        url: &HttpUrl,
        headers: &HeaderMap,
        length: u64,
        json: B,
    ) -> Result<StatusCode, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.permit(url)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, length);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (response, _connection) = send(self, url, request, json).await?;
        Ok(response.status())
    }
}
