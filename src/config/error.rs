//! Errors in the configuration.

use std::path::PathBuf;

/// The configuration cannot be used. The message names the key and says what to
/// do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The OS error.
        error: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong there.
        message: String,
    },
    /// A key is unknown.
    #[error("{origin}: unknown key `{key}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// The file, or the environment.
        origin: String,
        /// `section.key`
        key: String,
        /// The most similar known key.
        nearest: Option<String>,
    },
    /// A key has an invalid value.
    #[error("`{key}`: {message}")]
    Value {
        /// `section.key`
        key: String,
        /// What is wrong and what is accepted.
        message: String,
    },
}
