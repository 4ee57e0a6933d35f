//! A new upload, validated.

use uuid::Uuid;

use crate::access::Grant;
use crate::store::facts::Facts;

/// A new upload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewUpload {
    /// Length in bytes; `None` if it follows later.
    pub length: Option<u64>,
    /// The wanted id; replaced if it is taken.
    pub wanted_id: Option<Uuid>,
    /// What is stored; id and time are set at creation.
    pub facts: Facts,
    /// Of the client; once it is revoked the upload makes no task.
    pub grant: Grant,
}
