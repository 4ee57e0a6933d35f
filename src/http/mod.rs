//! HTTP: turns requests into calls on [`crate::upload`] and [`crate::task`],
//! and their answers into responses. No paths of files, no syncs, no models.

mod announcer;
mod api_error;
mod body;
pub mod cors;
pub(crate) mod disposition;
pub(crate) mod download;
mod farewell;
mod file_body;
mod forwarded;
pub mod front_end;
mod head;
mod head_clock;
mod health;
pub(crate) mod ietf;
pub(crate) mod intake;
mod interim;
mod live;
pub mod location;
pub(crate) mod names;
mod new_upload;
mod openai;
mod options;
mod protocol;
pub(crate) mod protocol_error;
pub mod proxies;
pub(crate) mod reply;
mod request_body;
mod routes;
mod rules;
pub(crate) mod server;
pub mod shares;
mod task;
mod terminate;
pub(crate) mod tus;
mod visitor;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::config::UnknownModel;
use crate::engine_client::Engine;
use crate::outgoing::Outgoing;
use crate::task::Tasks;
use crate::upload::Uploads;

pub use live::MAX_WAITING;
pub use server::{Server, serve};

/// What every request can reach.
#[derive(Debug)]
pub struct App {
    /// The guard.
    pub access: Arc<Access>,
    /// The upload engine.
    pub uploads: Arc<Uploads>,
    /// All tasks.
    pub tasks: Arc<Tasks>,
    /// The way to other machines.
    pub outgoing: Arc<Outgoing>,
    /// For its state only.
    pub engine: Engine,
    /// Language of uploads that name none; `None`: detect it.
    pub default_language: Option<String>,
    /// Whose pages may use this server.
    pub origins: cors::Origins,
    /// What `Location` begins with, if that is configured.
    pub base_url: location::BaseUrl,
    /// Pages that are served beside all this.
    pub front_end: Option<front_end::FrontEnd>,
    /// Who is believed about clients.
    pub trusted_proxies: proxies::TrustedProxies,
    /// To know which models are installed.
    pub models_dir: PathBuf,
    /// What happens to uploads for a model that is not.
    pub unknown_model: UnknownModel,
    /// So many tasks may wait; then no more uploads are taken.
    pub max_queue: usize,
    /// The head of a request that takes longer is not waited for.
    pub header_timeout: Duration,
    /// Connections that give nothing for this long are closed.
    pub idle_timeout: Duration,
    /// Turns true when the daemon stops.
    pub stopping: watch::Receiver<bool>,
    /// One permit for each who waits for an upload that is not there yet.
    pub waiting: Arc<Semaphore>,
}
