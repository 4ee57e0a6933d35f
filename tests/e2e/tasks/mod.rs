//! Tasks over HTTP.

mod list;
mod retry;
