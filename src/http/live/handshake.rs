//! `GET /ws/tasks/{id}`: the WebSocket handshake (RFC 6455, section 4).

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Body;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, StatusCode, Version};
use sha1::{Digest, Sha1};
use uuid::Uuid;

use super::admit;
use super::feed::Feed;
use crate::access::{Client, Denied, Page};
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};

/// What the WebSocket sends, or why it is closed at once.
pub type Session = Result<Feed, ApiError>;

/// Passes the session from the request to its connection.
#[derive(Debug, Clone, Default)]
pub struct Handover(Arc<Mutex<Option<Session>>>);

impl Handover {
    /// The session, if the request opened one.
    pub fn take(&self) -> Option<Session> {
        self.session().take()
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Option<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a WebSocket. A refused one is opened too and closed with the reason,
/// since browsers show pages no other error.
pub async fn open<B: Body>(
    app: Arc<App>,
    client: Client,
    id: Option<Uuid>,
    request: &Request<B>,
) -> Result<Reply, ApiError> {
    let accept = accept(request).ok_or(ApiError::NoWebSocket)?;
    let handover = request.extensions().get::<Handover>();
    let handover = handover.ok_or(ApiError::NoWebSocket)?;
    let session = begin(app, client, id, request).await;
    *handover.session() = Some(session);
    let mut reply = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    reply::set(&mut reply, CONNECTION, "upgrade");
    reply::set(&mut reply, UPGRADE, "websocket");
    reply::set(&mut reply, SEC_WEBSOCKET_ACCEPT, accept);
    Ok(reply)
}

async fn begin<B>(
    app: Arc<App>,
    client: Client,
    id: Option<Uuid>,
    request: &Request<B>,
) -> Result<Feed, ApiError> {
    // Browsers let any page open a WebSocket and read it, also with a ticket.
    if client.page == Page::Foreign {
        return Err(Denied::Page.into());
    }
    let caller = admit(&app, client, request, id)?;
    let id = id.ok_or(ApiError::TaskNotFound)?;
    Feed::begin(app, caller, id).await
}

/// The value of Sec-WebSocket-Accept; `None` if this is not a valid handshake.
fn accept<B: Body>(request: &Request<B>) -> Option<String> {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let headers = request.headers();
    let is_asked = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names(headers, CONNECTION, "upgrade")
        && names(headers, UPGRADE, "websocket")
        && names(headers, SEC_WEBSOCKET_VERSION, "13")
        // A body would be read as the first messages.
        && request.body().is_end_stream();
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_asked)?;
    let random = STANDARD.decode(key.as_bytes()).ok()?;
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID);
    (random.len() == 16).then(|| STANDARD.encode(digest.finalize()))
}

/// Whether a header with a list contains this item.
fn names(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).into_iter();
    let mut items = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    items.any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_for_a_websocket_is_one() {
        let whole = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let accepted = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            accept(&request.body(String::new()).unwrap())
        };
        // The example of RFC 6455, section 1.3.
        let proof = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(accepted(&whole).as_deref(), Some(proof));
        for (index, (name, _)) in whole.iter().enumerate() {
            let mut without = whole.to_vec();
            without.remove(index);
            assert_eq!(accepted(&without), None, "without {name}");
            let mut wrong = whole;
            wrong[index].1 = "x";
            assert_eq!(accepted(&wrong), None, "{name}: x");
        }
    }
}
