//! Access: tokens, their removal, browsers, and pages of other origins.

mod browsers;
mod cors;
mod health;
mod lost_tokens;
mod revocation;
mod tokens;
