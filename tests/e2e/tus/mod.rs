//! TUS 1.0.0 and its extensions.

mod checksums;
mod concatenation;
mod protocol;
