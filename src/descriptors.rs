//! How many files and connections this process may have open (getrlimit(2),
//! RLIMIT_NOFILE). Without descriptors uploads fail, so connections that
//! cannot all have theirs are better refused their turn for a while.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Most that a connection has open: its socket, twice, and the files of the
/// upload that it sends to.
const EACH: u64 = 6;

/// For everything else: the ring, listeners, helpers, the engine.
const OTHERS: u64 = 64;

/// Allows this process all it may have, and tells how many connections of
/// `wanted` it can serve at a time.
pub fn allow(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let needed = OTHERS + EACH.saturating_mul(wanted as u64);
    let raised = needed.clamp(soft, hard.max(soft));
    let allowed = match raised > soft {
        true => setrlimit(Resource::RLIMIT_NOFILE, raised, hard).map_or(soft, |()| raised),
        false => soft,
    };
    let possible = possible(allowed, wanted);
    if possible < wanted {
        warn!(
            "only {possible} connections at a time, not {wanted}: no more than {allowed} files may \
             be open (`ulimit -Hn`, LimitNOFILE=)"
        );
    }
    possible
}

fn possible(allowed: u64, wanted: usize) -> usize {
    let possible = allowed.saturating_sub(OTHERS) / EACH;
    wanted.min(possible.try_into().unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_what_may_be_open() {
        for (allowed, wanted, expected) in [
            (65_536, 1024, 1024),
            (1024, 1024, 160),
            (OTHERS + EACH * 10, 10, 10),
            (OTHERS + EACH * 10 - 1, 10, 9),
            (0, 10, 1),
        ] {
            assert_eq!(possible(allowed, wanted), expected, "{allowed}");
        }
    }
}
