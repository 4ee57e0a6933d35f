//! The subcommands of `scribed` other than `serve`.

mod probe;
mod subcommands;
