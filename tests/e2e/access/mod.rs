//! Access: tokens, and pages of other origins.

mod cors;
mod tokens;
