//! Requests that the daemon sends: fetched recordings and callbacks.

mod callbacks;
mod fetching;
