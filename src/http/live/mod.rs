//! Live progress: the same messages over a WebSocket and as server-sent events.

mod event_stream;
mod feed;
mod handshake;
mod message;
mod socket;
mod ticket;

use std::time::Duration;

use hyper::Request;
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
fn admit<B>(
    app: &App,
    client: Client,
    request: &Request<B>,
    id: Option<Uuid>,
) -> Result<Caller, Denied> {
    match parameter(request.uri().query(), "ticket") {
        Some(ticket) => auth::admit_with_ticket(app, client, request, &ticket, id),
        None => auth::admit(app, client, request),
    }
}
