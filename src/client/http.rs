//! HTTP requests to a daemon, with one connection each.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest response body that is read.
const RESPONSE_MAX_BYTES: usize = 256 << 20;
/// Timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// The address of a daemon, and the access token to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

/// A request failed.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The server's address is invalid.
    #[error("`{0}` is not the address of a server; write http://HOST:PORT")]
    Address(String),
    /// The access token cannot be sent in a header.
    #[error("the access token contains characters that are not allowed in tokens")]
    Token,
    /// The server cannot be reached, or the connection was lost.
    #[error("{0}")]
    Connection(String),
    /// The response has an error status.
    #[error("the server answers {status}: {message}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The `detail` of the error, or the body.
        message: String,
    },
    /// The response is not what the protocol requires.
    #[error("the server's response is invalid: {0}")]
    InvalidResponse(String),
}

/// A response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Server {
    /// Parses `http://HOST:PORT`.
    pub fn parse(address: &str) -> Result<Server, ServerError> {
        let wrong = || ServerError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let plain = uri.scheme_str().is_some_and(|scheme| scheme == "http");
        match uri.host() {
            Some(host) if plain && matches!(uri.path(), "" | "/") => Ok(Server {
                host: host.to_owned(),
                port: uri.port_u16().unwrap_or(80),
                authorization: None,
            }),
            _ => Err(wrong()),
        }
    }

    /// Sets the access token to send with every request.
    pub fn with_token(self, token: Option<String>) -> Result<Server, ServerError> {
        let header = token.map(|token| {
            let mut header =
                HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ServerError::Token)?;
            header.set_sensitive(true);
            Ok(header)
        });
        Ok(Server {
            authorization: header.transpose()?,
            ..self
        })
    }

    /// Gets the text at a path.
    pub(super) async fn get(&self, path: &str) -> Result<String, ServerError> {
        let request = Request::get(path);
        let response = self.send(request, Full::<Bytes>::default()).await?;
        match response.status {
            StatusCode::OK => Ok(response.text),
            _ => Err(response.into_error()),
        }
    }

    /// Sends a request.
    pub(super) async fn send<B>(
        &self,
        request: hyper::http::request::Builder,
        body: B,
    ) -> Result<Response, ServerError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = match &self.authorization {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        };
        let request = request
            .header(HOST, self.to_string().trim_start_matches("http://"))
            .body(body)
            .map_err(|error| ServerError::InvalidResponse(error.to_string()))?;
        let is_head = request.method() == Method::HEAD;
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, self.port)))
            .await
            .map_err(|_| self.lost("timed out while connecting"))?
            .map_err(|error| self.lost(error))?;
        // Small requests must not be delayed (Nagle's algorithm).
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.lost(error))?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.lost(error))?;
            let (head, body) = response.into_parts();
            let text = match is_head {
                true => Bytes::new(),
                false => Limited::new(body, RESPONSE_MAX_BYTES)
                    .collect()
                    .await
                    .map_err(|error| self.lost(error))?
                    .to_bytes(),
            };
            Ok(Response {
                status: head.status,
                headers: head.headers,
                text: String::from_utf8_lossy(&text).into_owned(),
            })
        };
        tokio::pin!(exchange);
        tokio::pin!(connection);
        tokio::select! {
            response = &mut exchange => response,
            // The connection may end before its response has been read.
            ended = &mut connection => match exchange.await {
                Err(_) if ended.is_err() => Err(self.lost("the connection was lost")),
                other => other,
            },
        }
    }

    fn lost(&self, error: impl std::fmt::Display) -> ServerError {
        ServerError::Connection(format!("{self}: {error}"))
    }
}

impl Response {
    /// The value of a header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Turns a response with an error status into an error.
    pub(super) fn into_error(self) -> ServerError {
        let json: Option<serde_json::Value> = serde_json::from_str(&self.text).ok();
        let detail = json.as_ref().and_then(|json| json["detail"].as_str());
        ServerError::Status {
            status: self.status,
            message: detail.unwrap_or(self.text.trim()).to_owned(),
        }
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_or_rejected() {
        assert_eq!(
            Server::parse("http://box:8000/").unwrap().to_string(),
            "http://box:8000"
        );
        assert_eq!(
            Server::parse("http://[::1]:8000").unwrap().to_string(),
            "http://[::1]:8000"
        );
        assert_eq!(Server::parse("http://box").unwrap().port, 80);
        for wrong in [
            "https://box:8000",
            "box:8000",
            "http://box:8000/x",
            "http://",
            "",
        ] {
            assert!(Server::parse(wrong).is_err(), "{wrong}");
        }
    }
}
