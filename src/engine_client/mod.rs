//! The daemon's end of the engine: starts one, supervises it, submits jobs.
//!
//! Whatever the engine does (dies, hangs, sends garbage), the supervisor
//! replaces it, with growing pauses while it does not even start, and every job
//! that it had gets an event that says so (I10).

mod child;
mod engine;
mod session;
mod supervisor;

pub use engine::{
    Engine, EngineCommand, EngineSource, EngineState, JobEvent, JobReceiver, JobRequest, engine,
    extension_of,
};
pub use supervisor::supervise;
