//! What several test programs use: a daemon, its clients, and recordings.

pub mod daemon;
pub mod http;
pub mod random;
pub mod speech;
pub mod task;
pub mod tus;
pub mod waiting;
