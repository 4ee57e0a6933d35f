//! Hostile clients.

mod floods;
mod framing;
mod headers;
mod support;
mod values;
