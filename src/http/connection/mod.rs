//! Connections: what hyper reads from and writes to, their limits and their end.

pub(crate) mod admitted;
pub(crate) mod close;
pub(crate) mod first_request;
pub(crate) mod head_timeout;
pub(crate) mod io;
pub(crate) mod request_body;
