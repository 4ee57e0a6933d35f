//! Which model the engine has loaded, as far as its reports say, and what it
//! costs to load another one.

use std::sync::Arc;

/// Until a model was loaded for a task: as long as a slice.
const EXCHANGE_S: f64 = 2.5;
/// A task whose model is loaded goes first while its owner has used at most so
/// many times the cost of an exchange more than others: an eighth of the time is
/// lost at most, where owners of different models take turns.
const LEAD_PER_EXCHANGE: f64 = 4.0;

/// What is known of models.
#[derive(Debug, Clone)]
pub(super) struct Residency {
    resident: Option<Arc<str>>,
    /// What tasks get that ask for none.
    default: Option<Arc<str>>,
    /// Seconds that the last exchange took.
    exchange_s: f64,
}

impl Default for Residency {
    fn default() -> Residency {
        Residency {
            resident: None,
            default: None,
            exchange_s: EXCHANGE_S,
        }
    }
}

impl Residency {
    /// A task that asked for one got this one, so many seconds after its turn began.
    pub(super) fn started(&mut self, wanted: Option<&str>, model: &str, start_s: f64) {
        let model: Arc<str> = model.into();
        if self.resident.as_ref().is_some_and(|known| *known != model) {
            self.exchange_s = start_s;
        }
        if wanted.is_none() {
            self.default = Some(Arc::clone(&model));
        }
        self.resident = Some(model);
    }

    /// The model that a task gets which asks for this one.
    pub(super) fn model(&self, wanted: Option<&Arc<str>>) -> Option<Arc<str>> {
        wanted.or(self.default.as_ref()).cloned()
    }

    /// Whether a task needs no other model, as far as is known.
    pub(super) fn fits(&self, wanted: Option<&Arc<str>>) -> bool {
        let model = wanted.or(self.default.as_ref());
        match (&self.resident, model) {
            (Some(resident), Some(model)) => resident == model,
            _ => true,
        }
    }

    /// How much more its owner may have used than others, in seconds, and a task
    /// that fits still goes first.
    pub(super) fn lead_s(&self) -> f64 {
        LEAD_PER_EXCHANGE * self.exchange_s
    }
}
