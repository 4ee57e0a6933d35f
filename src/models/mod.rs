//! Lists the installed models. A model is a file `ggml-<name>.bin` in the models
//! directory, as whisper.cpp names them; [`DEMO`] is built into the engine.

pub mod header;

use std::io;
use std::path::{Path, PathBuf};

/// Name of the built-in model: it knows 32 English words and is used until a
/// real model is installed.
pub const DEMO: &str = "demo";

/// The notice to show wherever [`DEMO`] is used.
pub const DEMO_NOTICE: &str = "it knows only 32 English words and cannot transcribe real recordings; \
    put a whisper.cpp model, for example ggml-large-v3-turbo.bin, into the models directory";

/// The value of `model` that means the largest installed model, else [`DEMO`].
pub const AUTO: &str = "auto";

const PREFIX: &str = "ggml-";
const SUFFIX: &str = ".bin";

/// A model file in the models directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// The part between `ggml-` and `.bin`.
    pub name: String,
    /// Where the file is.
    pub path: PathBuf,
    /// The size of the file.
    pub size_bytes: u64,
}

/// What happens to a request for a model that is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownModel {
    /// The resident model is used, and the task names it.
    Resident,
    /// The upload is rejected.
    Reject,
}

/// Lists the installed models, sorted by name; none if the directory does not
/// exist. Voice activity detection models share the naming and are left out.
pub fn installed(models_dir: &Path) -> io::Result<Vec<ModelFile>> {
    let entries = match std::fs::read_dir(models_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut models = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
        else {
            continue;
        };
        // Follows symbolic links: models are often stored elsewhere.
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        if name.is_empty() || name.starts_with("silero") || !metadata.is_file() {
            continue;
        }
        models.push(ModelFile {
            name: name.to_owned(),
            size_bytes: metadata.len(),
            path: path.clone(),
        });
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(models)
}

/// Whether a model of this name is installed or built in.
pub fn is_known(name: &str, installed: &[ModelFile]) -> bool {
    name == DEMO || installed.iter().any(|model| model.name == name)
}

/// Resolves [`AUTO`] to the name of a model; any other name is returned as it is.
pub fn resolve<'a>(wanted: &'a str, installed: &'a [ModelFile]) -> &'a str {
    if wanted != AUTO {
        return wanted;
    }
    installed
        .iter()
        .max_by_key(|model| model.size_bytes)
        .map_or(DEMO, |model| &model.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_models_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("ggml-base.en.bin", 30),
            ("ggml-large-v3.bin", 90),
            ("ggml-silero-v5.1.2.bin", 500),
            ("ggml-.bin", 500),
            ("for-tests-ggml-tiny.bin", 500),
            ("ggml-base.en.bin.part", 500),
        ] {
            std::fs::write(dir.path().join(name), vec![0; bytes]).unwrap();
        }
        let models = installed(dir.path()).unwrap();
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["base.en", "large-v3"]);
        assert_eq!(resolve(AUTO, &models), "large-v3");
        assert_eq!(resolve("base.en", &models), "base.en");
        assert_eq!(resolve(AUTO, &[]), DEMO);
        assert_eq!(installed(&dir.path().join("none")).unwrap(), []);
    }
}
