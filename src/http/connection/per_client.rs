//! How many connections each client has: none may have all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::network_of;

/// The connections that are open, by the network that a client has for itself.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of a client, until dropped.
#[derive(Debug)]
pub struct Share {
    of: IpAddr,
    shares: Arc<Shares>,
}

impl Shares {
    /// For that many connections in all: one client may have half of them.
    pub fn of(max_connections: usize) -> Arc<Shares> {
        Arc::new(Shares {
            most: max_connections.div_ceil(2),
            open: Mutex::default(),
        })
    }

    /// One more connection of this client; `None` if it has its share.
    pub fn take(self: &Arc<Shares>, client: IpAddr) -> Option<Share> {
        let of = network_of(client);
        let mut open = self.open();
        let count = open.entry(of).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(open);
        let shares = Arc::clone(self);
        Some(Share { of, shares })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.shares.open();
        if let Some(count) = open.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_half_and_nothing_is_left() {
        let shares = Shares::of(5);
        let [one, neighbour, other] =
            ["fd00::1", "fd00::2", "10.0.0.1"].map(|address| address.parse().unwrap());
        let taken = [one, neighbour, one].map(|client| shares.take(client));
        assert!(
            taken.iter().all(Option::is_some),
            "half of five, rounded up"
        );
        assert!(shares.take(neighbour).is_none());
        assert!(shares.take(other).is_some());
        drop(taken);
        assert!(shares.open().is_empty());
    }
}
