//! Authenticates a request, once and before anything else.

use hyper::header::{AUTHORIZATION, HeaderMap};
use tracing::warn;

use crate::access::{Caller, Client, Denied};
use crate::http::app::App;

/// Authenticates a request by its `Authorization` header.
pub fn admit(app: &App, client: Client, headers: &HeaderMap) -> Result<Caller, Denied> {
    let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let admitted = app.access.admit(client, authorization);
    // Not when the rate is limited: guesses must not fill the journal.
    if let Err(Denied::WrongToken) = &admitted {
        warn!("invalid access token");
    }
    admitted
}
