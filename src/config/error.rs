//! Why a configuration is refused.

use std::path::PathBuf;

/// Why there is no usable configuration; the message names key and cure.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
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
    /// A key we do not know.
    #[error("{origin}: unknown key `{key}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// The file, or the environment.
        origin: String,
        /// `section.key`
        key: String,
        /// The most similar key we know.
        nearest: Option<String>,
    },
    /// A key with a value that makes no sense.
    #[error("`{key}`: {message}")]
    Value {
        /// `section.key`
        key: String,
        /// What is wrong and what is accepted.
        message: String,
    },
}
