//! Live progress: the same messages over a WebSocket and as server-sent events.

mod event_stream;
mod feed;
mod handshake;
mod message;
mod socket;
mod ticket;

use std::time::Duration;

use hyper::header::HeaderMap;
use uuid::Uuid;

use crate::access::{Caller, Client, Denied};
use crate::http::app::App;
use crate::http::auth;
use crate::http::headers::query::parameter;

pub use event_stream::events;
pub use handshake::{Handover, open};
pub use socket::serve;
pub use ticket::ticket;

/// Every listener receives a message at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Authenticates a listener: by the ticket in the query, else by the token.
fn admit(
    app: &App,
    client: Client,
    headers: &HeaderMap,
    query: Option<&str>,
    id: Option<Uuid>,
) -> Result<Caller, Denied> {
    match parameter(query, "ticket") {
        Some(ticket) => app.access.admit_with_ticket(client, &ticket, id),
        None => auth::admit(app, client, headers),
    }
}
