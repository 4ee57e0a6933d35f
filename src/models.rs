//! Which models there are. A model is a file `ggml-<name>.bin` in the models
//! directory, as whisper.cpp names them; [`DEMO`] is built into the engine.

use std::io;
use std::path::{Path, PathBuf};

/// Name of the model that needs no file: it knows 32 English words and serves
/// until a real one is installed.
pub const DEMO: &str = "demo";

/// What must be said wherever [`DEMO`] is used.
pub const DEMO_NOTICE: &str = "it knows only 32 English words and is no use for real recordings; \
    put a whisper.cpp model, say ggml-large-v3-turbo.bin, into the models directory";

/// What `model = "auto"` means: the largest installed model, else [`DEMO`].
pub const AUTO: &str = "auto";

const PREFIX: &str = "ggml-";
const SUFFIX: &str = ".bin";

/// A model file in the models directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// The part between `ggml-` and `.bin`.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
}

/// See [`Transcribe::unknown_model`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownModel {
    /// Use the resident model and name it in the task.
    Resident,
    /// Refuse the upload.
    Reject,
}

/// Every installed model, sorted by name; a directory that does not exist
/// holds none. Voice-activity models share the naming and are left out.
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
        // Follows links: models are often kept elsewhere and linked in.
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

/// Whether there is a model of this name.
pub fn is_known(name: &str, installed: &[ModelFile]) -> bool {
    name == DEMO || installed.iter().any(|model| model.name == name)
}

/// The name that `wanted` ([`AUTO`] or a name) stands for, given what is installed.
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
    fn lists_models_and_nothing_else() {
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
