//! The documents: README, packaged configuration, manual.

mod manual;
mod readme;
