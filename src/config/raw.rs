//! The configuration as written in the file, and its validation.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::settings::{Auth, Callbacks, Config, Http, Transcribe, Upload};
use crate::access::Mode;
use crate::http::headers::cors::Origins;
use crate::http::headers::location::BaseUrl;
use crate::http::headers::proxies::TrustedProxies;
use crate::models::UnknownModel;
use crate::outgoing::AllowList;
use crate::task::{Keep, Retention};
use crate::{languages, models};

/// Every key with its default. All other keys are unknown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    listen: Vec<String>,
    state_dir: PathBuf,
    models_dir: PathBuf,
    http: RawHttp,
    upload: RawUpload,
    transcribe: RawTranscribe,
    retention: RawRetention,
    auth: RawAuth,
    callbacks: RawCallbacks,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct RawHttp {
    base_url: String,
    static_dir: PathBuf,
    static_root: bool,
    trusted_proxies: Vec<String>,
    cors_origins: Vec<String>,
    max_connections: usize,
    header_timeout: String,
    idle_timeout: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct RawUpload {
    max_size: String,
    idle_expiry: String,
    reserve_free: String,
    max_unfinished: usize,
    ingest_threads: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct RawTranscribe {
    model: String,
    language: String,
    threads: usize,
    unknown_model: String,
    max_queue: usize,
    max_duration: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct RawRetention {
    recordings: String,
    transcripts: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct RawAuth {
    mode: String,
    networks: Vec<String>,
    tokens_file: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct RawCallbacks {
    allow: Vec<String>,
    secret_file: PathBuf,
    retry_for: String,
    download_timeout: String,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            listen: vec!["127.0.0.1:8000".into()],
            state_dir: "/var/lib/scribed".into(),
            models_dir: "/var/lib/scribed-models".into(),
            http: RawHttp::default(),
            upload: RawUpload::default(),
            transcribe: RawTranscribe::default(),
            retention: RawRetention::default(),
            auth: RawAuth::default(),
            callbacks: RawCallbacks::default(),
        }
    }
}

impl Default for RawHttp {
    fn default() -> RawHttp {
        RawHttp {
            base_url: String::new(),
            static_dir: PathBuf::new(),
            static_root: false,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            max_connections: 1024,
            header_timeout: "10s".into(),
            idle_timeout: "60s".into(),
        }
    }
}

impl Default for RawUpload {
    fn default() -> RawUpload {
        RawUpload {
            max_size: "5GiB".into(),
            idle_expiry: "10min".into(),
            reserve_free: "1GiB".into(),
            max_unfinished: 1024,
            ingest_threads: 1,
        }
    }
}

impl Default for RawTranscribe {
    fn default() -> RawTranscribe {
        RawTranscribe {
            model: models::AUTO.into(),
            language: languages::DETECT.into(),
            threads: 0,
            unknown_model: "resident".into(),
            max_queue: 10_000,
            max_duration: "24h".into(),
        }
    }
}

impl Default for RawRetention {
    fn default() -> RawRetention {
        RawRetention {
            recordings: FOREVER.into(),
            transcripts: FOREVER.into(),
        }
    }
}

impl Default for RawAuth {
    fn default() -> RawAuth {
        RawAuth {
            mode: "tokens".into(),
            networks: Vec::new(),
            tokens_file: "/etc/scribed/tokens".into(),
        }
    }
}

impl Default for RawCallbacks {
    fn default() -> RawCallbacks {
        RawCallbacks {
            allow: Vec::new(),
            secret_file: PathBuf::new(),
            retry_for: "24h".into(),
            download_timeout: "1h".into(),
        }
    }
}

const FOREVER: &str = "forever";
const UNTIL_TRANSCRIBED: &str = "until-transcribed";

/// Parses and validates all values.
pub(super) fn validate(raw: Raw) -> Result<Config, ConfigError> {
    let mut listen = Vec::with_capacity(raw.listen.len());
    for address in &raw.listen {
        let parsed: SocketAddr = address.parse().map_err(|_| {
            value(
                "listen",
                format!("`{address}` is not an address; write ADDRESS:PORT, for example 127.0.0.1:8000 or [::1]:8000"),
            )
        })?;
        listen.push(parsed);
    }
    if listen.is_empty() {
        return Err(value("listen", "needs at least one address".into()));
    }
    Ok(Config {
        listen,
        state_dir: raw.state_dir,
        models_dir: raw.models_dir,
        http: Http {
            static_root: static_root(&raw.http)?,
            static_dir: (raw.http.static_dir != PathBuf::new()).then_some(raw.http.static_dir),
            base_url: BaseUrl::parse(&raw.http.base_url)
                .map_err(|message| value("http.base_url", message))?,
            trusted_proxies: TrustedProxies(networks(
                "http.trusted_proxies",
                &raw.http.trusted_proxies,
            )?),
            origins: origins(&raw.http.cors_origins)?,
            max_connections: range("http.max_connections", raw.http.max_connections, 1, 100_000)?,
            header_timeout: duration("http.header_timeout", &raw.http.header_timeout)?,
            idle_timeout: duration("http.idle_timeout", &raw.http.idle_timeout)?,
        },
        upload: Upload {
            max_size_bytes: size("upload.max_size", &raw.upload.max_size)?,
            idle_expiry: duration("upload.idle_expiry", &raw.upload.idle_expiry)?,
            reserve_free_bytes: size("upload.reserve_free", &raw.upload.reserve_free)?,
            max_unfinished: range(
                "upload.max_unfinished",
                raw.upload.max_unfinished,
                1,
                1_000_000,
            )?,
            ingest_threads: range("upload.ingest_threads", raw.upload.ingest_threads, 1, 64)?,
        },
        transcribe: Transcribe {
            language: languages::parse(&raw.transcribe.language)
                .map_err(|error| value("transcribe.language", error.to_string()))?,
            model: raw.transcribe.model,
            threads: range("transcribe.threads", raw.transcribe.threads, 0, 1024)?,
            max_queue: range(
                "transcribe.max_queue",
                raw.transcribe.max_queue,
                1,
                1_000_000,
            )?,
            max_duration: duration("transcribe.max_duration", &raw.transcribe.max_duration)?,
            unknown_model: match raw.transcribe.unknown_model.as_str() {
                "resident" => UnknownModel::Resident,
                "reject" => UnknownModel::Reject,
                other => {
                    return Err(value(
                        "transcribe.unknown_model",
                        format!("`{other}` is neither `resident` nor `reject`"),
                    ));
                }
            },
        },
        retention: Retention {
            recordings: match raw.retention.recordings.as_str() {
                FOREVER => Keep::Forever,
                UNTIL_TRANSCRIBED => Keep::For(Duration::ZERO),
                period => Keep::For(duration("retention.recordings", period)?),
            },
            transcripts: match raw.retention.transcripts.as_str() {
                FOREVER => Keep::Forever,
                period => Keep::For(duration("retention.transcripts", period)?),
            },
        },
        auth: Auth {
            mode: mode(&raw.auth)?,
            tokens_file: raw.auth.tokens_file,
        },
        callbacks: Callbacks {
            allow: AllowList::parse(&raw.callbacks.allow)
                .map_err(|message| value("callbacks.allow", message))?,
            secret_file: (raw.callbacks.secret_file != PathBuf::new())
                .then_some(raw.callbacks.secret_file),
            retry_for: duration("callbacks.retry_for", &raw.callbacks.retry_for)?,
            download_timeout: duration(
                "callbacks.download_timeout",
                &raw.callbacks.download_timeout,
            )?,
        },
    })
}

fn static_root(raw: &RawHttp) -> Result<bool, ConfigError> {
    match raw.static_root && raw.static_dir == PathBuf::new() {
        true => Err(value(
            "http.static_root",
            "needs the directory of a front end in http.static_dir".into(),
        )),
        false => Ok(raw.static_root),
    }
}

fn origins(raw: &[String]) -> Result<Origins, ConfigError> {
    if raw.iter().any(|origin| origin == "*") {
        return Ok(Origins::All);
    }
    // As in browsers' `Origin` header: no path, no upper case letters.
    let is_origin = |origin: &String| {
        let host = origin
            .strip_prefix("https://")
            .or(origin.strip_prefix("http://"))
            .unwrap_or_default();
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
            && !host.contains(['/', '?', '#', '@', '*'])
    };
    match raw.iter().find(|origin| !is_origin(origin)) {
        None => Ok(Origins::These(raw.to_vec())),
        Some(wrong) => Err(value(
            "http.cors_origins",
            format!(
                "`{wrong}` is not an origin; write one like https://app.example or http://192.168.1.5:3000, or * for all"
            ),
        )),
    }
}

/// Parses networks; a single address is a network of one host.
fn networks(key: &str, raw: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let parse = |network: &String| {
        let address = || {
            network
                .parse()
                .map(|address: IpAddr| address.to_canonical().into())
        };
        network.parse().or_else(|_| address()).map_err(|_| {
            value(
                key,
                format!("`{network}` is not a network; write one like 192.168.0.0/16 or fd00::/8, or an address"),
            )
        })
    };
    raw.iter().map(parse).collect()
}

fn mode(raw: &RawAuth) -> Result<Mode, ConfigError> {
    let networks = networks("auth.networks", &raw.networks)?;
    match raw.mode.as_str() {
        "tokens" if networks.is_empty() => Ok(Mode::Tokens),
        "tokens" => Err(value(
            "auth.networks",
            "is only allowed with mode = \"open\"".into(),
        )),
        "open" if networks.is_empty() => Err(value(
            "auth.networks",
            "mode = \"open\" needs at least one network, for example [\"192.168.0.0/16\"]".into(),
        )),
        "open" => Ok(Mode::Open { networks }),
        other => Err(value(
            "auth.mode",
            format!("`{other}` is neither `tokens` nor `open`"),
        )),
    }
}

fn value(key: &str, message: String) -> ConfigError {
    ConfigError::Value {
        key: key.into(),
        message,
    }
}

fn range(key: &str, number: usize, least: usize, most: usize) -> Result<usize, ConfigError> {
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(value(
        key,
        format!("{number} is not between {least} and {most}"),
    ))
}

fn duration(key: &str, text: &str) -> Result<Duration, ConfigError> {
    let parsed = humantime::parse_duration(text).map_err(|error| {
        value(
            key,
            format!("`{text}` is not a duration ({error}); write one like 60s or 10min"),
        )
    })?;
    if parsed.is_zero() {
        return Err(value(key, "must be longer than zero".into()));
    }
    // Later dates cannot be represented.
    const LONGEST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);
    if parsed > LONGEST {
        return Err(value(
            key,
            format!("`{text}` is too long; the longest is 1000 years"),
        ));
    }
    Ok(parsed)
}

fn size(key: &str, text: &str) -> Result<u64, ConfigError> {
    let parsed: bytesize::ByteSize = text.parse().map_err(|_| {
        value(
            key,
            format!("`{text}` is not a size; write one like 500MiB or 5GiB"),
        )
    })?;
    if parsed.as_u64() == 0 || i64::try_from(parsed.as_u64()).is_err() {
        return Err(value(key, format!("`{text}` is out of range")));
    }
    Ok(parsed.as_u64())
}
