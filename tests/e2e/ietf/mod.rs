//! Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload).

mod creation;
mod errors;
mod lengths;
mod support;
