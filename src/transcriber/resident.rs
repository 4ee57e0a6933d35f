//! Which model is in memory, and the states that jobs compute with.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scribed::models::{self, AUTO, DEMO};
use scribed::protocol::{ModelInfo, Report};
use scribed::systemd;

use crate::memory_limit;
use crate::speech::{Model, ModelState};

/// Gigabytes from a slow disk give no sign of life while they are read.
const LOADING_LIMIT: Duration = Duration::from_secs(600);

/// How often a job that waits for the others' model to be free gives a sign of life.
const WAIT_INTERVAL: Duration = Duration::from_millis(200);

/// At most one model, kept from job to job and from connection to connection.
/// Jobs that run at the same time share it; one that needs another model waits
/// until the model is free, and those that come later wait for that one.
pub struct Resident {
    models_dir: PathBuf,
    wanted: String,
    threads: usize,
    slots: usize,
    memory: Mutex<Memory>,
    /// A state was returned, or an exchange is over.
    changed: Condvar,
}

#[derive(Default)]
struct Memory {
    loaded: Option<Loaded>,
    /// A job waits for the model to be free, to exchange it.
    is_exchanging: bool,
}

struct Loaded {
    name: String,
    model: Arc<Model>,
    /// States that no job uses.
    idle: Vec<ModelState>,
    /// How many jobs use the model.
    users: usize,
}

impl Memory {
    fn has(&self, name: Option<&str>) -> bool {
        let loaded = self.loaded.as_ref();
        loaded.is_some_and(|loaded| name.is_none_or(|name| name == loaded.name))
    }

    fn is_in_use(&self) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| loaded.users > 0)
    }
}

impl Resident {
    /// Loads nothing yet. `wanted` is a name or [`AUTO`], `slots` how many jobs
    /// run at the same time.
    pub fn new(models_dir: PathBuf, wanted: String, threads: usize, slots: usize) -> Self {
        Self {
            models_dir,
            wanted,
            threads,
            slots,
            memory: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// How many jobs run at the same time.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The report of the model that is in memory, if there is one.
    pub fn ready(&self) -> Option<Report> {
        self.ready_of(&self.memory())
    }

    fn ready_of(&self, memory: &Memory) -> Option<Report> {
        let loaded = memory.loaded.as_ref()?;
        Some(Report::Ready {
            model: ModelInfo {
                name: loaded.name.clone(),
                multilingual: loaded.model.multilingual(),
                device: Model::device().to_owned(),
                patience_s: loaded.model.patience().as_secs(),
            },
            slots: self.slots,
        })
    }

    /// Loads the wanted model unless one is in memory.
    pub fn warm(&self, report: &dyn Fn(&Report)) {
        // The first job tries again, and fails with the reason.
        let _ = self.with_model(None, &|| true, report, |_, _| ());
    }

    /// Runs `job` with a state of the model `name` (`None`: any, by default the
    /// wanted one) and the model's name. Loads that model first where needed,
    /// once no other job uses the one before; gives up when `keep_going`, asked
    /// while it waits, is false. Sends `report` about loading, and about
    /// failure, which it also returns as the reason. After a failure no model
    /// is in memory: the one before had to make room.
    pub fn with_model<T>(
        &self,
        name: Option<&str>,
        keep_going: &dyn Fn() -> bool,
        report: &dyn Fn(&Report),
        job: impl FnOnce(&str, &mut ModelState) -> T,
    ) -> Result<T, String> {
        let (name, mut state) = self.take(name, keep_going, report)?;
        let value = job(&name, &mut state);
        let mut memory = self.memory();
        if let Some(loaded) = &mut memory.loaded {
            loaded.users -= 1;
            loaded.idle.push(state);
        }
        self.changed.notify_all();
        Ok(value)
    }

    fn take(
        &self,
        name: Option<&str>,
        keep_going: &dyn Fn() -> bool,
        report: &dyn Fn(&Report),
    ) -> Result<(String, ModelState), String> {
        let memory = self.memory();
        let mut memory = self.wait_while(memory, keep_going, |memory| memory.is_exchanging)?;
        if !memory.has(name) {
            memory.is_exchanging = true;
            let waited = self.wait_while(memory, keep_going, Memory::is_in_use);
            let loaded = waited.and_then(|mut memory| {
                self.load(&mut memory, name, report)?;
                Ok(memory)
            });
            memory = match loaded {
                Ok(memory) => memory,
                Err(reason) => {
                    self.memory().is_exchanging = false;
                    self.changed.notify_all();
                    return Err(reason);
                }
            };
            memory.is_exchanging = false;
            self.changed.notify_all();
        }
        let Some(loaded) = &mut memory.loaded else {
            return Err("no model is loaded".to_owned());
        };
        let state = match loaded.idle.pop() {
            Some(state) => state,
            None => ModelState::new(&loaded.model).map_err(|error| {
                format!("not enough memory for one more job at a time ({error})")
            })?,
        };
        loaded.users += 1;
        Ok((loaded.name.clone(), state))
    }

    fn wait_while<'a>(
        &'a self,
        mut memory: MutexGuard<'a, Memory>,
        keep_going: &dyn Fn() -> bool,
        is_so: impl Fn(&Memory) -> bool,
    ) -> Result<MutexGuard<'a, Memory>, String> {
        while is_so(&memory) {
            if !keep_going() {
                return Err("stopped".to_owned());
            }
            let waited = self.changed.wait_timeout(memory, WAIT_INTERVAL);
            memory = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(memory)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(
        &self,
        memory: &mut Memory,
        name: Option<&str>,
        report: &dyn Fn(&Report),
    ) -> Result<(), String> {
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
        if memory.has(Some(&name)) {
            return Ok(());
        }
        report(&Report::Loading {
            model: name.clone(),
        });
        tracing::info!("loading model {name}");
        systemd::busy(LOADING_LIMIT);
        memory.loaded = None;
        let state = match installed {
            _ if name == DEMO => Model::demo(self.threads).map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
            Ok(installed) => match installed.iter().find(|model| model.name == name) {
                Some(file) => memory_limit::check(file.size_bytes).and_then(|()| {
                    Model::from_file(&file.path, self.threads).map_err(|error| error.to_string())
                }),
                None => Err(self.unknown(&name, &installed)),
            },
        };
        let (status, patience) = match &state {
            Ok(state) => (format!("model {name}"), state.model().patience()),
            Err(reason) => (format!("no model: {reason}"), Duration::ZERO),
        };
        systemd::busy_no_more(&status, patience);
        match state {
            Ok(state) => {
                tracing::info!("model {name} is ready on {}", Model::device());
                memory.loaded = Some(Loaded {
                    name,
                    model: Arc::clone(state.model()),
                    idle: vec![state],
                    users: 0,
                });
                self.ready_of(memory).iter().for_each(report);
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
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;
    use crate::speech::DEMO_MODEL;

    #[test]
    fn models_come_go_and_fail_by_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ggml-broken.bin"), b"lmgg").unwrap();
        let reports = RefCell::new(Vec::new());
        let report = |report: &Report| reports.borrow_mut().push(report.clone());
        let resident = Resident::new(dir.path().to_owned(), DEMO.to_owned(), 1, 1);
        let ensure = |name: Option<&str>| {
            resident.with_model(name, &|| true, &report, |name, _| name.to_owned())
        };
        assert!(resident.ready().is_none());

        assert_eq!(ensure(None).unwrap(), DEMO);
        assert!(matches!(
            &reports.take()[..],
            [Report::Loading { .. }, Report::Ready { slots: 1, .. }]
        ));
        ensure(Some(DEMO)).unwrap();
        ensure(None).unwrap();
        assert!(reports.take().is_empty());

        let reason = ensure(Some("large-v9")).err().unwrap();
        assert!(reason.contains("installed: broken, demo"), "{reason}");
        assert!(matches!(
            &reports.take()[..],
            [Report::Loading { .. }, Report::ModelFailed { .. }]
        ));
        assert!(resident.ready().is_none());

        let reason = ensure(Some(AUTO)).err().unwrap();
        assert!(
            reason.contains("ggml-broken.bin cannot be used: it is incomplete"),
            "{reason}"
        );
        assert_eq!(ensure(None).unwrap(), DEMO);
    }

    #[test]
    fn jobs_share_a_model_and_one_that_needs_another_waits_for_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ggml-other.bin"), DEMO_MODEL).unwrap();
        let resident = Resident::new(dir.path().to_owned(), DEMO.to_owned(), 1, 2);
        let loaded = AtomicUsize::new(0);
        let report = |report: &Report| {
            let is_ready = matches!(report, Report::Ready { .. });
            loaded.fetch_add(usize::from(is_ready), SeqCst);
        };
        let (go_on, stop) = (|| true, || false);
        let waits = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let exchanging = resident.with_model(None, &go_on, &report, |_, _| {
                // Two at the same time.
                resident
                    .with_model(Some(DEMO), &go_on, &report, |name, _| {
                        assert_eq!(name, DEMO);
                    })
                    .unwrap();
                let reason = resident.with_model(Some("other"), &stop, &report, |_, _| ());
                assert_eq!(reason.unwrap_err(), "stopped");
                let waiting = || waits.fetch_add(1, SeqCst) < usize::MAX;
                let (resident, report) = (&resident, &report);
                let other = scope.spawn(move || {
                    let other = |name: &str, _: &mut ModelState| name.to_owned();
                    resident.with_model(Some("other"), &waiting, report, other)
                });
                while waits.load(SeqCst) < 2 {
                    std::thread::yield_now();
                }
                assert_eq!(loaded.load(SeqCst), 1, "this job uses it");
                // Later ones do not go ahead of the one that waits.
                let reason = resident.with_model(Some(DEMO), &stop, &report, |_, _| ());
                assert_eq!(reason.unwrap_err(), "stopped");
                other
            });
            assert_eq!(exchanging.unwrap().join().unwrap().unwrap(), "other");
        });
        assert_eq!(loaded.load(SeqCst), 2);
    }
}
