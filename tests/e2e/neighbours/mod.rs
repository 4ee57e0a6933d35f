//! Users who share a daemon: what one does costs the others little.

mod engine;
