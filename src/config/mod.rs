//! Configuration: merges flags over environment over file over defaults into one
//! validated [`Config`].
//!
//! The file is TOML (`/etc/scribed/scribed.toml`); a key's environment variable
//! is `SCRIBED_<SECTION>_<KEY>` (without a section `SCRIBED_<KEY>`, for example
//! `SCRIBED_LISTEN`; lists are separated by commas).

mod error;
mod layers;
mod raw;
mod settings;

use std::path::Path;

pub use error::ConfigError;
pub use layers::Flags;
pub use settings::{Auth, Callbacks, Config, DEFAULT_PATH, Http, Transcribe, Upload};

impl Config {
    /// Loads and validates the configuration. `file` must exist if given; the
    /// file at [`DEFAULT_PATH`] may be missing.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Config, ConfigError> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        raw::validate(layers::merge(file, environment, flags)?)
    }
}
