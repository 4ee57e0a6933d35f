//! Who is at the door: judged once per request, before anything else.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HeaderMap};
use tracing::warn;

use super::App;
use crate::access::{Caller, Denied};

/// Headers of proxies: who sends one is not the client itself.
const PROXY_HEADERS: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Lets a request in, or says why not.
pub fn admit(app: &App, client: IpAddr, headers: &HeaderMap) -> Result<Caller, Denied> {
    let forwarded = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
    let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let admitted = app.access.admit(client, forwarded, authorization);
    // Only this, and not when it is limited: guessing must not fill the journal.
    if let Err(Denied::WrongToken) = &admitted {
        warn!("wrong access token");
    }
    admitted
}
