//! Ownership of uploads.

use uuid::Uuid;

use crate::access::Caller;
use crate::http::app::App;
use crate::http::error::upload::ProtocolError;
use crate::upload::UploadError;

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
