//! Finds the engine.

use std::path::PathBuf;

use super::terminal::Failure;
use crate::config::Config;
use crate::engine_client::{EngineCommand, EngineSource};

/// Where the packages install the engine.
const PACKAGED_ENGINE: &str = "/usr/lib/scribed/scribed-transcriber";

/// Where the packaged service of the engine listens.
pub const SERVICE_SOCKET: &str = "/run/scribed-transcriber/socket";

/// The engine's program: the given one, else the one beside this program, else
/// the packaged one. The file may not exist.
pub fn engine_program(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe()?.with_file_name("scribed-transcriber");
    Ok(named.unwrap_or_else(|| match beside.is_file() {
        true => beside,
        false => PACKAGED_ENGINE.into(),
    }))
}

/// The engine: its program as in [`engine_program`], or the given socket of a
/// running engine.
pub fn engine_source(named: Option<PathBuf>, config: &Config) -> Result<EngineSource, Failure> {
    use std::os::unix::fs::FileTypeExt;
    let program = engine_program(named)?;
    match std::fs::metadata(&program) {
        Ok(metadata) if metadata.file_type().is_socket() => Ok(EngineSource::Service(program)),
        Ok(metadata) if metadata.is_file() => Ok(EngineSource::Child(EngineCommand {
            program,
            models_dir: config.models_dir.clone(),
            model: config.transcribe.model.clone(),
            threads: config.transcribe.threads,
        })),
        _ => Err(format!(
            "there is no engine at {}; install scribed-transcriber beside scribed or name it with --engine",
            program.display()
        )
        .into()),
    }
}
