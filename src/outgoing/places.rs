//! Limits the downloads that run at a time, also those from one host: one that
//! is slow or sends nothing cannot take the places of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Failure;
use super::failure::{MAX_DOWNLOADS, MAX_DOWNLOADS_PER_HOST};

/// The downloads that are running, by host.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<String, usize>>);

/// The place of one download, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    host: String,
}

impl Places {
    /// Takes a place for a download from this host.
    pub(super) fn take(self: &Arc<Places>, host: &str) -> Result<Place, Failure> {
        let mut running = self.running();
        if running.values().sum::<usize>() >= MAX_DOWNLOADS {
            return Err(Failure::Busy);
        }
        let from_host = running.entry(host.to_owned()).or_default();
        if *from_host >= MAX_DOWNLOADS_PER_HOST {
            return Err(Failure::HostBusy);
        }
        *from_host += 1;
        Ok(Place {
            places: Arc::clone(self),
            host: host.to_owned(),
        })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The place for the same download once it is redirected to this host.
    pub(super) fn redirected(self, host: &str) -> Result<Place, Failure> {
        if self.host == host {
            return Ok(self);
        }
        let places = Arc::clone(&self.places);
        drop(self);
        places.take(host)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.places.running();
        if let Some(from_host) = running.get_mut(&self.host) {
            *from_host -= 1;
            if *from_host == 0 {
                running.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_cannot_take_the_places_of_others() {
        let places: Arc<Places> = Arc::default();
        let take = |host: &str| places.take(host);
        let mut taken: Vec<Place> = (0..MAX_DOWNLOADS_PER_HOST)
            .map(|_| take("slow").unwrap())
            .collect();
        assert!(matches!(take("slow"), Err(Failure::HostBusy)));
        let other = take("other").unwrap();
        assert!(matches!(other.redirected("slow"), Err(Failure::HostBusy)));
        // A redirect takes a place of the other host and leaves its own.
        let moved = taken.pop().unwrap().redirected("other").unwrap();
        let moved = moved.redirected("other").unwrap();
        taken.push(take("slow").unwrap());
        drop(moved);
        for number in taken.len()..MAX_DOWNLOADS {
            taken.push(take(&number.to_string()).unwrap());
        }
        assert!(matches!(take("one more"), Err(Failure::Busy)));
        taken.clear();
        assert!(places.running().is_empty(), "nothing is left");
    }
}
