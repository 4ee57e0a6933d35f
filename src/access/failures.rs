//! Counting wrong tokens by address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens that are answered as such ...
const FREE: u32 = 10;
/// ... within this time, which starts with the first one.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond, the oldest is forgotten.
const ADDRESSES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Failures {
    /// Counts one; how long to wait if there were too many.
    pub(super) fn count(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = network_of(client);
        if seen.len() >= ADDRESSES_MAX && !seen.contains_key(&client) {
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
        (*count > FREE).then(|| WINDOW - now.duration_since(*first))
    }
}

/// The network that a client has for itself: whoever has one IPv6 address has
/// a whole /64 of them.
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
    fn counts_forget_and_are_bounded() {
        let failures = Failures::default();
        let start = Instant::now();
        let client: IpAddr = "fd00::1".parse().unwrap();
        let neighbour: IpAddr = "fd00::2".parse().unwrap();
        for _ in 0..FREE {
            assert_eq!(failures.count(client, start), None);
        }
        assert!(
            failures.count(neighbour, start).is_some(),
            "the same network"
        );
        assert_eq!(failures.count(client, start + WINDOW), None, "forgotten");
        for number in 0..2 * ADDRESSES_MAX as u32 {
            failures.count(IpAddr::V4(number.into()), start);
        }
        assert_eq!(failures.0.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
