//! Whether a request is the first over its connection.

/// Marks the first request over its connection, as an extension of it.
#[derive(Debug, Clone, Copy)]
pub struct FirstRequest;
