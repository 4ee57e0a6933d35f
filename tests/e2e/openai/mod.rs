//! OpenAI's speech API.

mod access;
mod addresses;
mod errors;
mod support;
mod transcriptions;
mod waiting;
