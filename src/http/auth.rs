//! Authenticates a request, once and before anything else.

use hyper::Request;
use hyper::header::AUTHORIZATION;
use tracing::warn;
use uuid::Uuid;

use crate::access::{Caller, Client, Denied};
use crate::http::app::App;
use crate::http::connection::admitted::Admitted;

/// Authenticates a request by its `Authorization` header.
pub fn admit<B>(app: &App, client: Client, request: &Request<B>) -> Result<Caller, Denied> {
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.map(|value| value.as_bytes());
    let admitted = app.access.admit(client, authorization);
    // Not when the rate is limited: guesses must not fill the journal.
    if let Err(Denied::WrongToken) = &admitted {
        warn!("invalid access token");
    }
    admitted.inspect(|caller| bind(app, caller, request))
}

/// Authenticates a request by a ticket for this task.
pub fn admit_with_ticket<B>(
    app: &App,
    client: Client,
    request: &Request<B>,
    ticket: &str,
    task: Option<Uuid>,
) -> Result<Caller, Denied> {
    let admitted = app.access.admit_with_ticket(client, ticket, task);
    admitted.inspect(|caller| bind(app, caller, request))
}

/// The connection of this request ends with the access of this caller.
fn bind<B>(app: &App, caller: &Caller, request: &Request<B>) {
    if let Some(admitted) = request.extensions().get::<Admitted>() {
        admitted.set(app.access.grant(caller));
    }
}
