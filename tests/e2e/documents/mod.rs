//! The documents: README, packaged configuration, manual.

mod readme;
