//! The configuration, validated: durations, sizes and paths have their types.

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

/// Where the configuration is looked for when no other file is named.
pub const DEFAULT_PATH: &str = "/etc/scribed/scribed.toml";

/// Everything that can be configured, typed and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Addresses to bind, at least one.
    pub listen: Vec<SocketAddr>,
    /// Uploads, tasks and transcripts.
    pub state_dir: PathBuf,
    /// Model files, see [`crate::models`].
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

/// Limits of the HTTP side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The folder of a front end that is served too.
    pub static_dir: Option<PathBuf>,
    /// It is served at `/`, too.
    pub static_root: bool,
    /// Where clients find this server, if a proxy gives it another address.
    pub base_url: BaseUrl,
    /// Who is believed about the addresses of clients.
    pub trusted_proxies: TrustedProxies,
    /// Whose pages may use this server.
    pub origins: Origins,
    /// Connections served at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long the head of a request may take, from its first byte on, or from
    /// the start of a connection.
    pub header_timeout: Duration,
    /// A connection that sends nothing for this long, between requests or in
    /// the middle of a body, is closed; what it had sent is kept.
    pub idle_timeout: Duration,
}

/// Limits of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Largest recording that is accepted.
    pub max_size_bytes: u64,
    /// An unfinished upload to which nothing was added for this long expires.
    pub idle_expiry: Duration,
    /// Disk space that no upload may take: for the transcripts, and for whatever
    /// else lives on that disk.
    pub reserve_free_bytes: u64,
    /// Unfinished uploads at a time.
    pub max_unfinished: usize,
    /// Threads that serve connections, each with a ring of its own.
    pub ingest_threads: usize,
}

/// How recordings are transcribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcribe {
    /// Name of the resident model or [`crate::models::AUTO`].
    pub model: String,
    /// Whisper language code used where a request names none; `None`: detect.
    pub language: Option<String>,
    /// CPU threads of the model; 0: all cores but one.
    pub threads: usize,
    /// What happens to a request for a model that is not installed.
    pub unknown_model: UnknownModel,
    /// Recordings that may wait for the engine.
    pub max_queue: usize,
    /// Longest recording that is transcribed, by its sound.
    pub max_duration: Duration,
}

/// Who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// How the door is guarded.
    pub mode: Mode,
    /// Where tokens are kept, see [`crate::access::tokens`].
    pub tokens_file: PathBuf,
}

/// Which other machines are told of tasks, and asked for recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callbacks {
    /// Those that may be.
    pub allow: AllowList,
    /// What callbacks are signed with; `None`: a secret that the daemon makes.
    pub secret_file: Option<PathBuf>,
    /// For how long a callback that fails is tried again.
    pub retry_for: Duration,
    /// How long fetching one recording may take.
    pub download_timeout: Duration,
}
