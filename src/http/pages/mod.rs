//! Pages for people and probes, which need no access token.

pub mod front_end;
pub mod health;
