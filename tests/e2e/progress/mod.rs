//! Live progress, over WebSockets and as server-sent events.

mod connections;
mod load;
mod messages;
mod support;
mod tickets;
