//! `GET /task/{id}/events`: server-sent events (HTML standard, section 9.2).

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use hyper::{Request, Response};
use uuid::Uuid;

use super::super::App;
use super::super::api_error::ApiError;
use super::super::reply::{self, Reply};
use super::feed::Feed;
use super::{admit, too_many};
use crate::access::Client;

/// Asks nginx not to hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// All that happens to a task or the upload that becomes one, until the client
/// leaves, the task is deleted, or the daemon stops.
pub async fn events<B>(
    app: Arc<App>,
    client: Client,
    id: Option<Uuid>,
    request: &Request<B>,
) -> Result<Reply, ApiError> {
    let caller = admit(&app, client, request.headers(), request.uri().query(), id)?;
    let id = id.ok_or(ApiError::TaskNotFound)?;
    let stopping = app.stopping.clone();
    let feed = Feed::begin(app, caller, id).await;
    let feed = feed.map_err(|_| too_many())?;
    let events = unfold((feed, stopping), async |(mut feed, mut stopping)| {
        let message = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => None,
            message = feed.next() => message,
        };
        let event = format!("data: {}\n\n", message?);
        Some((Ok(Frame::data(event.into())), (feed, stopping)))
    });
    Ok(event_stream(StreamBody::new(events)))
}

/// The answer with these events, which nobody is to hold back.
pub fn event_stream(events: impl Body<Data = Bytes, Error = io::Error> + 'static) -> Reply {
    let mut reply = Response::new(reply::streamed(events));
    reply::set(&mut reply, CONTENT_TYPE, "text/event-stream");
    reply::set(&mut reply, CACHE_CONTROL, "no-store");
    reply::set(&mut reply, X_ACCEL_BUFFERING, "no");
    reply
}
