//! Requests to a daemon, one connection each.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest answer that is read.
const ANSWER_MAX_BYTES: usize = 256 << 20;
/// Connecting, and waiting for the head of an answer once all is sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address given is none.
    #[error("`{0}` is no address of a server; write http://HOST:PORT")]
    Address(String),
    /// The access token holds what no token can.
    #[error("the access token holds characters that no token has")]
    Token,
    /// Nobody answers, or the connection was lost.
    #[error("{0}")]
    Connection(String),
    /// It answers with a refusal.
    #[error("the server says {status}: {message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its explanation.
        message: String,
    },
    /// It is no scribed.
    #[error("the server's answer makes no sense: {0}")]
    Nonsense(String),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Server {
    /// From `http://HOST:PORT`.
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

    /// The same, with an access token for every request.
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

    /// The text at a path.
    pub(super) async fn get(&self, path: &str) -> Result<String, ServerError> {
        let request = Request::get(path);
        let answer = self.send(request, Full::<Bytes>::default()).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.text),
            _ => Err(answer.refusal()),
        }
    }

    /// Any request.
    pub(super) async fn send<B>(
        &self,
        request: hyper::http::request::Builder,
        body: B,
    ) -> Result<Answer, ServerError>
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
            .map_err(|error| ServerError::Nonsense(error.to_string()))?;
        let is_head = request.method() == Method::HEAD;
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = tokio::time::timeout(PATIENCE, TcpStream::connect((host, self.port)))
            .await
            .map_err(|_| self.lost("no answer"))?
            .map_err(|error| self.lost(error))?;
        // Small requests must not wait for more.
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
                false => Limited::new(body, ANSWER_MAX_BYTES)
                    .collect()
                    .await
                    .map_err(|error| self.lost(error))?
                    .to_bytes(),
            };
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                text: String::from_utf8_lossy(&text).into_owned(),
            })
        };
        tokio::pin!(exchange);
        tokio::pin!(connection);
        tokio::select! {
            answer = &mut exchange => answer,
            // The connection's end may be found before the answer it brought is read.
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

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// This answer as an error.
    pub(super) fn refusal(self) -> ServerError {
        let json: Option<serde_json::Value> = serde_json::from_str(&self.text).ok();
        let detail = json.as_ref().and_then(|json| json["detail"].as_str());
        ServerError::Refused {
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
    fn addresses_are_understood_or_refused() {
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
