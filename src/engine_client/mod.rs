//! The daemon's end of the engine: starts one, supervises it, submits jobs.
//!
//! Whatever the engine does (dies, hangs, sends garbage), the supervisor
//! replaces it, with growing pauses while it does not even start, and every job
//! that it had gets an event that says so (I10). Nothing that it says is believed
//! unseen: every report is checked first, and no arithmetic on its numbers can
//! overflow.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod allowance;
mod checked;
mod child;
mod engine;
mod job_checks;
#[cfg(test)]
mod lying;
mod session;
mod supervisor;
#[cfg(test)]
mod testing;
mod texts;

pub use engine::{
    Engine, EngineCommand, EngineSource, EngineState, JobEvent, JobReceiver, JobRequest, engine,
    extension_of,
};
pub use supervisor::supervise;
