//! Who is at the door: judged once per request, before anything else.

use hyper::header::{AUTHORIZATION, HeaderMap};
use tracing::warn;
use uuid::Uuid;

use super::App;
use super::protocol_error::ProtocolError;
use crate::access::{Caller, Client, Denied};
use crate::upload::UploadError;

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

/// The upload that a path names, if it is the caller's. Somebody else's reads
/// like one that does not exist.
pub async fn owned(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Uuid, ProtocolError> {
    let id = id.ok_or(UploadError::NotFound)?;
    let Caller::Token(_) = caller else {
        return Ok(id);
    };
    let facts = app.uploads.facts(id).await?;
    match caller.may_use(facts.owner.as_deref()) {
        true => Ok(id),
        false => Err(UploadError::NotFound.into()),
    }
}
