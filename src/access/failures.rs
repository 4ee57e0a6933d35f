//! Limits the rate of failed authentications per client network.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Invalid tokens per [`WINDOW`] before a client is rate limited.
const MAX_FAILURES: u32 = 10;
/// The window, which starts with the first failure.
const WINDOW: Duration = Duration::from_secs(60);
/// Most networks that are tracked; beyond this number the oldest is dropped.
const MAX_NETWORKS: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Failures {
    /// Counts a failure; returns how long the client must wait if there were too
    /// many.
    pub(super) fn count(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = network_of(client);
        if seen.len() >= MAX_NETWORKS && !seen.contains_key(&client) {
            let oldest = seen.iter().min_by_key(|(_, (first, _))| *first);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                seen.remove(&oldest);
            }
        }
        let (first, count) = seen.entry(client).or_insert((now, 0));
        if now.duration_since(*first) >= WINDOW {
            (*first, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        (*count > MAX_FAILURES).then(|| WINDOW - now.duration_since(*first))
    }
}

/// The network of a client: the address itself for IPv4, the /64 for IPv6,
/// since a client can use any address of its /64.
pub fn network_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_expire_and_are_bounded() {
        let failures = Failures::default();
        let start = Instant::now();
        let client: IpAddr = "fd00::1".parse().unwrap();
        let neighbour: IpAddr = "fd00::2".parse().unwrap();
        for _ in 0..MAX_FAILURES {
            assert_eq!(failures.count(client, start), None);
        }
        assert!(
            failures.count(neighbour, start).is_some(),
            "the same network"
        );
        assert_eq!(failures.count(client, start + WINDOW), None, "expired");
        for number in 0..2 * MAX_NETWORKS as u32 {
            failures.count(IpAddr::V4(number.into()), start);
        }
        assert_eq!(failures.0.lock().unwrap().len(), MAX_NETWORKS);
    }
}
