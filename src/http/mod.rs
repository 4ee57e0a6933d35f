//! HTTP: turns requests into calls on [`crate::upload`] and [`crate::task`],
//! and their answers into responses. No paths of files, no syncs, no models.
//!
//! The folders are the rungs of a ladder; a file imports only from rungs below
//! its own:
//!
//! ```text
//! reply < headers < { sources, connection } < error < static_files < app
//!       < { auth, owned } < { upload_request, pages } < tasks
//!       < { uploads, intake, live } < openai < routes < server
//! ```
//!
//! `headers` know neither [`app::App`] nor our errors, `error` knows no
//! endpoint, an endpoint knows no other endpoint's folder but `tasks` (and
//! `openai` its `intake`). Only `routes` names a path.

pub mod app;
mod auth;
pub mod connection;
pub(crate) mod error;
pub mod headers;
mod intake;
mod live;
mod openai;
mod owned;
mod pages;
pub(crate) mod reply;
mod routes;
pub(crate) mod server;
pub(crate) mod sources;
pub mod static_files;
mod tasks;
mod upload_request;
pub(crate) mod uploads;

pub use app::App;
pub use server::{Server, serve};
