//! The validated configuration, with typed durations, sizes and paths.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::Mode;
use crate::http::headers::cors::Origins;
use crate::http::headers::location::BaseUrl;
use crate::http::headers::proxies::TrustedProxies;
use crate::models::UnknownModel;
use crate::outgoing::AllowList;
use crate::task::Retention;

/// The default path of the configuration file.
pub const DEFAULT_PATH: &str = "/etc/scribed/scribed.toml";

/// The validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Addresses to bind, at least one.
    pub listen: Vec<SocketAddr>,
    /// The directory of uploads, tasks and transcripts.
    pub state_dir: PathBuf,
    /// The directory of model files, see [`crate::models`].
    pub models_dir: PathBuf,
    /// `[http]`
    pub http: Http,
    /// `[upload]`
    pub upload: Upload,
    /// `[transcribe]`
    pub transcribe: Transcribe,
    /// `[retention]`
    pub retention: Retention,
    /// `[auth]`
    pub auth: Auth,
    /// `[callbacks]`
    pub callbacks: Callbacks,
}

/// Settings of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The directory of a front end to serve.
    pub static_dir: Option<PathBuf>,
    /// Whether the front end is served at `/` too.
    pub static_root: bool,
    /// The URL of this server as clients see it, if a proxy changes it.
    pub base_url: BaseUrl,
    /// The proxies whose headers about client addresses are trusted.
    pub trusted_proxies: TrustedProxies,
    /// The allowed CORS origins.
    pub origins: Origins,
    /// Most connections served at a time; further ones wait to be accepted.
    pub max_connections: usize,
    /// Timeout of a request head, from its first byte or the start of the
    /// connection.
    pub header_timeout: Duration,
    /// A connection that sends nothing for this long, between requests or in
    /// the middle of a body, is closed; the received part of an upload is kept.
    pub idle_timeout: Duration,
}

/// Limits of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Largest recording that is accepted.
    pub max_size_bytes: u64,
    /// An unfinished upload to which nothing was added for this long expires.
    pub idle_expiry: Duration,
    /// Disk space that uploads must leave free, for the transcripts and for
    /// other files on that disk.
    pub reserve_free_bytes: u64,
    /// Most unfinished uploads at a time.
    pub max_unfinished: usize,
    /// Threads that serve connections, each with its own ring.
    pub ingest_threads: usize,
}

/// How recordings are transcribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcribe {
    /// Name of the resident model or [`crate::models::AUTO`].
    pub model: String,
    /// Whisper language code for requests that name none; `None`: detect.
    pub language: Option<String>,
    /// CPU threads of the model; 0: all cores but one.
    pub threads: usize,
    /// What happens to a request for a model that is not installed.
    pub unknown_model: UnknownModel,
    /// Most recordings that wait for the engine.
    pub max_queue: usize,
    /// Longest recording that is transcribed, by the duration of its audio.
    pub max_duration: Duration,
}

/// Authentication settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// How requests are authenticated.
    pub mode: Mode,
    /// The tokens file, see [`crate::access::tokens`].
    pub tokens_file: PathBuf,
}

/// Settings of webhooks and of fetching recordings by URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callbacks {
    /// The hosts that requests may be sent to.
    pub allow: AllowList,
    /// The file of the webhook secret; `None`: a secret that the daemon creates.
    pub secret_file: Option<PathBuf>,
    /// How long a failing callback is retried.
    pub retry_for: Duration,
    /// Timeout of one download.
    pub download_timeout: Duration,
}
