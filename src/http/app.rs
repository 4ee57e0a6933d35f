//! What every request can reach.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::headers::cors::Origins;
use super::headers::location::BaseUrl;
use super::headers::proxies::TrustedProxies;
use super::static_files::FrontEnd;
use crate::access::Access;
use crate::engine_client::Engine;
use crate::models::UnknownModel;
use crate::outgoing::Outgoing;
use crate::task::Tasks;
use crate::upload::Uploads;

/// How many clients may wait for uploads that do not exist yet.
pub const MAX_WAITING: usize = 1024;

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
    pub origins: Origins,
    /// What `Location` begins with, if that is configured.
    pub base_url: BaseUrl,
    /// Pages that are served beside all this.
    pub front_end: Option<FrontEnd>,
    /// Who is believed about clients.
    pub trusted_proxies: TrustedProxies,
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
