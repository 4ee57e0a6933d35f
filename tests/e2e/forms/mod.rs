//! Recordings that come whole, in a form (multipart/form-data).

mod interruptions;
mod languages;
mod recordings;
mod refusals;
mod support;
