//! Hostile clients and recordings.

mod floods;
mod framing;
mod headers;
mod recordings;
mod support;
mod values;
