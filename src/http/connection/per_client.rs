//! The per-client connection limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::network_of;

/// Open connections by the network of a client.
#[derive(Debug)]
pub struct PerClient {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of a client, until dropped.
#[derive(Debug)]
pub struct ClientConnection {
    of: IpAddr,
    per_client: Arc<PerClient>,
}

impl PerClient {
    /// For this many connections in all, half of which one client may have.
    pub fn of(max_connections: usize) -> Arc<PerClient> {
        Arc::new(PerClient {
            most: max_connections.div_ceil(2),
            open: Mutex::default(),
        })
    }

    /// Counts one more connection of this client; `None` at its limit.
    pub fn admit(self: &Arc<PerClient>, client: IpAddr) -> Option<ClientConnection> {
        let of = network_of(client);
        let mut open = self.open();
        let count = open.entry(of).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(open);
        let per_client = Arc::clone(self);
        Some(ClientConnection { of, per_client })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let mut open = self.per_client.open();
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
        let per_client = PerClient::of(5);
        let [one, neighbour, other] =
            ["fd00::1", "fd00::2", "10.0.0.1"].map(|address| address.parse().unwrap());
        let taken = [one, neighbour, one].map(|client| per_client.admit(client));
        assert!(
            taken.iter().all(Option::is_some),
            "half of five, rounded up"
        );
        assert!(per_client.admit(neighbour).is_none());
        assert!(per_client.admit(other).is_some());
        drop(taken);
        assert!(per_client.open().is_empty());
    }
}
