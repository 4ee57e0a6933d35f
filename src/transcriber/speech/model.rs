//! The resident model: loaded, checked, warm.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use scribed::models::header::{self, HeaderError};
use scribed::options::Options;
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError,
    WhisperState,
};

use super::activity::SAMPLE_RATE;
use super::exceptions;
use super::language::ENGLISH;
use super::noise::faint_noise;
use super::run;
use crate::pulse::Pulse;

/// The model that is part of this program, see [`scribed::models::DEMO`].
pub const DEMO_MODEL: &[u8] = include_bytes!("../../../packaging/demo-model/ggml-demo.bin");

const DEVICE: &str = if cfg!(feature = "cuda") {
    "cuda"
} else if cfg!(feature = "vulkan") {
    "vulkan"
} else {
    "cpu"
};

const USE_GPU: bool = cfg!(any(feature = "cuda", feature = "vulkan"));

/// As in whisper.cpp's own program: candidates when the temperature is raised.
const BEST_OF: i32 = 5;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file is not fit to be loaded.
    #[error(
        "{path} cannot be used: {error}; download it again (it must be ggml-<name>.bin of whisper.cpp) or remove it"
    )]
    File {
        /// Of the model.
        path: PathBuf,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// whisper.cpp refused it, or there is not enough memory.
    #[error("whisper.cpp could not load {what} ({error}): not enough memory, or a damaged file")]
    Load {
        /// A path, or the built-in model.
        what: String,
        /// In whisper.cpp's words.
        error: WhisperError,
    },
    /// whisper.cpp threw an exception over it.
    #[error(
        "whisper.cpp could not use {what} ({thrown}): a damaged file, or not enough memory; download it again"
    )]
    Thrown {
        /// A path, or the built-in model.
        what: String,
        /// In the words of the exception.
        thrown: String,
    },
    #[error("{what} is loaded but does not compute ({error})")]
    WarmUp {
        /// A path, or the built-in model.
        what: String,
        /// In whisper.cpp's words.
        error: WhisperError,
    },
}

/// A model in memory: what all of its states share.
pub struct Model {
    pub(super) context: WhisperContext,
    /// Of each computation.
    pub(super) threads: usize,
    multilingual: bool,
    warm_up: Duration,
}

/// What one computation with a model needs besides: it does one job at a time.
pub struct ModelState {
    pub(super) model: Arc<Model>,
    pub(super) state: WhisperState,
    /// One for each language and search ever used: whisper-rs leaks the strings
    /// in them.
    pub(super) params: HashMap<(&'static str, Search), FullParams<'static, 'static>>,
}

/// How the text of a window is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Search {
    /// The likeliest token each time; so many candidates once the temperature
    /// is raised.
    Greedy(i32),
    /// So many texts at once.
    Beams(i32),
}

impl Search {
    /// The search that the options ask for.
    pub(super) fn of(options: &Options) -> Search {
        let count = |wanted: u32| i32::try_from(wanted).unwrap_or(i32::MAX);
        match (options.beam_size, options.best_of) {
            (Some(beams), _) if beams > 1 => Search::Beams(count(beams)),
            (_, best_of) => Search::Greedy(best_of.map_or(BEST_OF, count)),
        }
    }
}

impl Model {
    /// Reads a model file and makes it ready to compute with `threads` threads.
    pub fn from_file(path: &Path, threads: usize) -> Result<ModelState, ModelError> {
        header::check_file(path).map_err(|error| ModelError::File {
            path: path.to_owned(),
            error,
        })?;
        let what = path.display().to_string();
        let load = || WhisperContext::new_with_params(path, context_parameters());
        Self::warm(load, what, threads)
    }

    /// The built-in model.
    pub fn demo(threads: usize) -> Result<ModelState, ModelError> {
        let parameters = context_parameters();
        let load = || WhisperContext::new_from_buffer_with_params(DEMO_MODEL, parameters);
        Self::warm(load, "the built-in model".to_owned(), threads)
    }

    /// Loads a model and tries it.
    fn warm(
        load: impl FnOnce() -> Result<WhisperContext, WhisperError>,
        what: String,
        threads: usize,
    ) -> Result<ModelState, ModelError> {
        let (state, thrown) = exceptions::catching(|| Self::try_warm(load, what.clone(), threads));
        match thrown {
            None => state,
            Some(thrown) => Err(ModelError::Thrown { what, thrown }),
        }
    }

    fn try_warm(
        context: impl FnOnce() -> Result<WhisperContext, WhisperError>,
        what: String,
        threads: usize,
    ) -> Result<ModelState, ModelError> {
        let load = |error| ModelError::Load {
            what: what.clone(),
            error,
        };
        let context = context().map_err(load)?;
        let mut state = context.create_state().map_err(load)?;
        let begun = Instant::now();
        warm_up(&mut state, threads).map_err(|error| ModelError::WarmUp { what, error })?;
        let model = Model {
            threads,
            multilingual: context.is_multilingual(),
            context,
            warm_up: begun.elapsed(),
        };
        Ok(ModelState::of(Arc::new(model), state))
    }

    /// How long a window may take without a sign of life: whisper.cpp calls
    /// back only after a whole pass of the encoder. The warm-up was a tenth of
    /// one; passes grow faster than their length, and the machine may be busier
    /// by then.
    pub fn patience(&self) -> Duration {
        const PASSES_PER_WARM_UP: u32 = 12;
        const RESERVE: u32 = 4;
        self.warm_up * PASSES_PER_WARM_UP * RESERVE
    }

    /// Knows more than English.
    pub fn multilingual(&self) -> bool {
        self.multilingual
    }

    /// Where this build computes: `cpu`, `cuda`, `vulkan`.
    pub fn device() -> &'static str {
        DEVICE
    }
}

impl ModelState {
    fn of(model: Arc<Model>, state: WhisperState) -> ModelState {
        ModelState {
            model,
            state,
            params: HashMap::new(),
        }
    }

    /// One more state of a model, for another job at the same time.
    pub fn new(model: &Arc<Model>) -> Result<ModelState, WhisperError> {
        let state = model.context.create_state()?;
        Ok(ModelState::of(Arc::clone(model), state))
    }

    /// The model that it computes with.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }
}

/// One short run, so that the first job finds weights in memory and a GPU
/// with its programs built. A GPU runs it at full size, for its programs
/// depend on that; a CPU looks at three seconds only: it has nothing to
/// build, and a full pass of a large model would take it half a minute.
fn warm_up(state: &mut WhisperState, threads: usize) -> Result<(), WhisperError> {
    const CPU_AUDIO_CONTEXT: i32 = 150;
    let mut params = base_params(threads, Search::Greedy(BEST_OF));
    params.set_language(Some(ENGLISH));
    params.set_audio_ctx(if USE_GPU { 0 } else { CPU_AUDIO_CONTEXT });
    params.set_temperature_inc(0.0);
    params.set_single_segment(true);
    params.set_max_tokens(4);
    let never = AtomicBool::new(false);
    let pulse = Pulse::new(&never, &|| ());
    run::full(state, params, &faint_noise(SAMPLE_RATE), &[], &pulse)
}

/// What all runs have in common.
pub(super) fn base_params(threads: usize, search: Search) -> FullParams<'static, 'static> {
    let mut params = FullParams::new(match search {
        Search::Greedy(best_of) => SamplingStrategy::Greedy { best_of },
        // whisper.cpp knows the word patience, and has none.
        Search::Beams(beam_size) => SamplingStrategy::BeamSearch {
            beam_size,
            patience: -1.0,
        },
    });
    params.set_n_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    // Each window stands for itself: what was misheard in one does not mislead the next.
    params.set_no_context(true);
    params.set_suppress_blank(true);
    // The times of words. At each token the model also has an opinion of what
    // time it is: one that is firm counts, even where it would hardly say so.
    params.set_token_timestamps(true);
    params.set_thold_pt(0.5);
    params.set_thold_ptsum(1e-7);
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

fn context_parameters() -> WhisperContextParameters<'static> {
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(USE_GPU);
    // On a CPU it is more than twice as slow.
    parameters.flash_attn(USE_GPU);
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ggml-small.bin");
        std::fs::write(&path, &DEMO_MODEL[..1_000_000]).unwrap();
        let error = Model::from_file(&path, 1).err().unwrap().to_string();
        assert!(
            error.contains("ggml-small.bin cannot be used: it is incomplete"),
            "{error}"
        );
        assert!(error.contains("download it again"), "{error}");
        let error = Model::from_file(&dir.path().join("ggml-none.bin"), 1)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("cannot be read (No such file"), "{error}");
    }

    #[test]
    fn an_exception_of_whisper_cpp_is_an_error() {
        const N_VOCAB: usize = 4;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ggml-small.bin");
        let mut damaged = DEMO_MODEL.to_vec();
        damaged[N_VOCAB..][..4].copy_from_slice(&52_000_u32.to_le_bytes());
        std::fs::write(&path, &damaged).unwrap();
        // The process lives, and can load others.
        for _ in 0..2 {
            let error = Model::from_file(&path, 1).err().unwrap();
            assert!(matches!(error, ModelError::Thrown { .. }), "{error}");
            assert!(error.to_string().contains("download it again"), "{error}");
            Model::demo(1).unwrap();
        }
    }
}
