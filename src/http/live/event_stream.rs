//! `GET /task/{id}/events`: server-sent events (HTML standard, section 9.2).

use std::sync::Arc;

use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::Request;
use hyper::body::Frame;
use uuid::Uuid;

use super::admit;
use super::feed::Feed;
use crate::access::Client;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::Reply;
use crate::http::reply::event_stream::event_stream;

/// Streams the progress of a task, or of the upload that becomes one, until the
/// client disconnects, the task is deleted or the daemon stops.
pub async fn events<B>(
    app: Arc<App>,
    client: Client,
    id: Option<Uuid>,
    request: &Request<B>,
) -> Result<Reply, ApiError> {
    let caller = admit(&app, client, request, id)?;
    let id = id.ok_or(ApiError::TaskNotFound)?;
    let stopping = app.stopping.clone();
    let feed = Feed::begin(app, caller, id).await?;
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
