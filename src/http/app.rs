//! What every handler can use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::headers::cors::Origins;
use super::headers::location::BaseUrl;
use super::headers::proxies::TrustedProxies;
use super::static_files::FrontEnd;
use crate::access::Access;
use crate::engine_client::Engine;
use crate::models::UnknownModel;
use crate::outgoing::Outgoing;
use crate::shares::Shares;
use crate::task::Tasks;
use crate::upload::Uploads;

/// How many clients may wait for uploads that do not exist yet.
pub const MAX_WAITING: usize = 1024;

/// How many searches may run or wait.
pub const MAX_SEARCHES: usize = 16;

/// What every handler can use.
#[derive(Debug)]
pub struct App {
    /// Authentication.
    pub access: Arc<Access>,
    /// The upload engine.
    pub uploads: Arc<Uploads>,
    /// All tasks.
    pub tasks: Arc<Tasks>,
    /// Requests to other machines.
    pub outgoing: Arc<Outgoing>,
    /// The engine, for its state only.
    pub engine: Engine,
    /// Whisper code for uploads without a language; `None`: detect it.
    pub default_language: Option<String>,
    /// Origins whose pages may use this server.
    pub origins: Origins,
    /// The configured start of `Location`.
    pub base_url: BaseUrl,
    /// The front end, if one is configured.
    pub front_end: Option<FrontEnd>,
    /// Proxies whose `Forwarded` headers count.
    pub trusted_proxies: TrustedProxies,
    /// Where models are installed.
    pub models_dir: PathBuf,
    /// What happens to uploads for a model that is not installed.
    pub unknown_model: UnknownModel,
    /// Queued tasks at which further uploads are refused.
    pub max_queue: usize,
    /// Longest time for a request head.
    pub header_timeout: Duration,
    /// Time without bytes after which a connection is closed.
    pub idle_timeout: Duration,
    /// Turns true when the daemon stops.
    pub stopping: watch::Receiver<bool>,
    /// Clients that wait for an upload to be created.
    pub waiting: Arc<Shares>,
    /// Connections that follow the progress of a task.
    pub listeners: Arc<Shares>,
    /// Downloads of recordings.
    pub downloads: Arc<Shares>,
    /// Recordings that are fetched by URL.
    pub fetches: Arc<Shares>,
    /// Searches for a text among the tasks.
    pub searches: Arc<Shares>,
}
