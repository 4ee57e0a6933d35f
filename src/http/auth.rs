//! Who is at the door: judged once per request, before anything else.

use hyper::header::{AUTHORIZATION, HeaderMap};
use tracing::warn;

use crate::access::{Caller, Client, Denied};
use crate::http::app::App;

/// Lets a request in, or says why not.
pub fn admit(app: &App, client: Client, headers: &HeaderMap) -> Result<Caller, Denied> {
    let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let admitted = app.access.admit(client, authorization);
    // Only this, and not when it is limited: guessing must not fill the journal.
    if let Err(Denied::WrongToken) = &admitted {
        warn!("wrong access token");
    }
    admitted
}
