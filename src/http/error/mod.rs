//! Errors of requests: one table for the upload protocols, one for everything else.

pub(crate) mod api;
pub(crate) mod status;
pub(crate) mod unmet;
pub(crate) mod upload;
