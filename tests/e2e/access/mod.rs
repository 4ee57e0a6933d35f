//! Access: tokens, their removal, and pages of other origins.

mod cors;
mod revocation;
mod tokens;
