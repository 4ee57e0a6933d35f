//! The limit of open file descriptors (getrlimit(2), RLIMIT_NOFILE). Uploads
//! fail when descriptors run out, so the number of connections is limited to
//! those that can have all the descriptors they need; others wait to be accepted.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Most descriptors that a connection uses: its socket, twice, and the files of
/// the upload that it sends to.
const PER_CONNECTION: u64 = 6;

/// Descriptors for everything else: the ring, listeners, blocking threads, the
/// engine.
const RESERVED: u64 = 64;

/// Raises the soft limit as far as `wanted` connections need and the hard limit
/// allows. Returns how many connections, at most `wanted`, can be served at a
/// time.
pub fn raise_limit(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let needed = RESERVED + PER_CONNECTION.saturating_mul(wanted as u64);
    let raised = needed.clamp(soft, hard.max(soft));
    let allowed = match raised > soft {
        true => setrlimit(Resource::RLIMIT_NOFILE, raised, hard).map_or(soft, |()| raised),
        false => soft,
    };
    let possible = possible(allowed, wanted);
    if possible < wanted {
        warn!(
            "serving at most {possible} connections at a time, not {wanted}: only {allowed} open \
             files are allowed; raise the limit (`ulimit -Hn`, LimitNOFILE=)"
        );
    }
    possible
}

fn possible(allowed: u64, wanted: usize) -> usize {
    let possible = allowed.saturating_sub(RESERVED) / PER_CONNECTION;
    wanted.min(possible.try_into().unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_the_descriptor_limit() {
        for (allowed, wanted, expected) in [
            (65_536, 1024, 1024),
            (1024, 1024, 160),
            (RESERVED + PER_CONNECTION * 10, 10, 10),
            (RESERVED + PER_CONNECTION * 10 - 1, 10, 9),
            (0, 10, 1),
        ] {
            assert_eq!(possible(allowed, wanted), expected, "{allowed}");
        }
    }
}
