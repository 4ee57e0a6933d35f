//! Which model is in memory.

use std::path::PathBuf;
use std::time::Duration;

use scribed::models::{self, AUTO, DEMO};
use scribed::protocol::{ModelInfo, Report};
use scribed::systemd;

use crate::speech::Model;

/// Gigabytes from a slow disk give no sign of life while they are read.
const LOADING_LIMIT: Duration = Duration::from_secs(600);

/// At most one model, kept from job to job and from connection to connection.
pub struct Resident {
    models_dir: PathBuf,
    wanted: String,
    threads: usize,
    loaded: Option<Loaded>,
}

struct Loaded {
    name: String,
    model: Model,
}

impl Resident {
    /// Loads nothing yet. `wanted` is a name or [`AUTO`].
    pub fn new(models_dir: PathBuf, wanted: String, threads: usize) -> Self {
        Self {
            models_dir,
            wanted,
            threads,
            loaded: None,
        }
    }

    /// The model that is in memory and its description.
    pub fn info(&self) -> Option<ModelInfo> {
        self.loaded.as_ref().map(|loaded| ModelInfo {
            name: loaded.name.clone(),
            multilingual: loaded.model.multilingual(),
            device: Model::device().to_owned(),
            patience_s: loaded.model.patience().as_secs(),
        })
    }

    /// Sees to it that `name` is in memory (`None`: any, by default the wanted
    /// one) and returns it. Tells `report` about loading, and about failure,
    /// which it also returns as the reason. After a failure no model is in
    /// memory: the one before had to make room.
    pub fn ensure(
        &mut self,
        name: Option<&str>,
        report: &dyn Fn(&Report),
    ) -> Result<(&str, &mut Model), String> {
        let fits = self
            .loaded
            .as_ref()
            .is_some_and(|loaded| name.is_none_or(|name| name == loaded.name));
        if !fits {
            self.load(name, report)?;
        }
        match &mut self.loaded {
            Some(loaded) => Ok((&loaded.name, &mut loaded.model)),
            None => Err("no model is loaded".to_owned()),
        }
    }

    fn load(&mut self, name: Option<&str>, report: &dyn Fn(&Report)) -> Result<(), String> {
        let wanted = name.unwrap_or(&self.wanted);
        let installed = models::installed(&self.models_dir).map_err(|error| {
            format!(
                "the models directory {} cannot be read: {error}",
                self.models_dir.display()
            )
        });
        let name = match &installed {
            Ok(installed) => models::resolve(wanted, installed).to_owned(),
            Err(_) => wanted.to_owned(),
        };
        if self
            .loaded
            .as_ref()
            .is_some_and(|loaded| loaded.name == name)
        {
            return Ok(());
        }
        report(&Report::Loading {
            model: name.clone(),
        });
        tracing::info!("loading model {name}");
        systemd::busy(LOADING_LIMIT);
        self.loaded = None;
        let model = match installed {
            _ if name == DEMO => Model::demo(self.threads).map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
            Ok(installed) => match installed.iter().find(|model| model.name == name) {
                Some(file) => {
                    Model::from_file(&file.path, self.threads).map_err(|error| error.to_string())
                }
                None => Err(self.unknown(&name, &installed)),
            },
        };
        let (status, patience) = match &model {
            Ok(model) => (format!("model {name}"), model.patience()),
            Err(reason) => (format!("no model: {reason}"), Duration::ZERO),
        };
        systemd::busy_no_more(&status, patience);
        match model {
            Ok(model) => {
                self.loaded = Some(Loaded { name, model });
                if let Some(model) = self.info() {
                    tracing::info!("model {} is ready on {}", model.name, model.device);
                    report(&Report::Ready { model });
                }
                Ok(())
            }
            Err(reason) => {
                tracing::error!("model {name}: {reason}");
                report(&Report::ModelFailed {
                    model: name,
                    reason: reason.clone(),
                });
                Err(reason)
            }
        }
    }

    fn unknown(&self, name: &str, installed: &[models::ModelFile]) -> String {
        let names: Vec<&str> = installed
            .iter()
            .map(|model| model.name.as_str())
            .chain([DEMO])
            .collect();
        format!(
            "there is no model {name}: {} has no ggml-{name}.bin (installed: {}; or \"{AUTO}\" for the largest)",
            self.models_dir.display(),
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn models_come_go_and_fail_by_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ggml-broken.bin"), b"lmgg").unwrap();
        let reports = RefCell::new(Vec::new());
        let report = |report: &Report| reports.borrow_mut().push(report.clone());
        let mut resident = Resident::new(dir.path().to_owned(), DEMO.to_owned(), 1);
        assert!(resident.info().is_none());

        assert_eq!(resident.ensure(None, &report).unwrap().0, DEMO);
        assert!(matches!(
            &reports.take()[..],
            [Report::Loading { .. }, Report::Ready { .. }]
        ));
        resident.ensure(Some(DEMO), &report).unwrap();
        resident.ensure(None, &report).unwrap();
        assert!(reports.take().is_empty());

        let reason = resident.ensure(Some("large-v9"), &report).err().unwrap();
        assert!(reason.contains("installed: broken, demo"), "{reason}");
        assert!(matches!(
            &reports.take()[..],
            [Report::Loading { .. }, Report::ModelFailed { .. }]
        ));
        assert!(resident.info().is_none());

        let reason = resident.ensure(Some(AUTO), &report).err().unwrap();
        assert!(
            reason.contains("ggml-broken.bin cannot be used: it is incomplete"),
            "{reason}"
        );
        assert_eq!(resident.ensure(None, &report).unwrap().0, DEMO);
    }
}
