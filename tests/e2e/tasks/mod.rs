//! Tasks over HTTP.

mod list;
mod long;
mod retry;
