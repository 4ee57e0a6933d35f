//! The schedule of callbacks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// Most callbacks that are sent at a time, each to a different host.
const MAX_CONCURRENT: usize = 4;

/// The delay after the first attempt.
const FIRST_DELAY: Duration = Duration::from_secs(5);
/// The longest delay.
const MAX_DELAY: Duration = Duration::from_secs(3600);

/// Exponential backoff: the delay after this many attempts, doubled with each up
/// to [`MAX_DELAY`]. Half of it is random: `jitter`, 0..=1, spreads callbacks
/// that failed together.
pub(super) fn backoff(attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let delay = (FIRST_DELAY * (1 << doublings)).min(MAX_DELAY);
    delay / 2 + (delay / 2).mul_f64(jitter)
}

/// The scheduled callbacks, by host.
#[derive(Debug, Default)]
pub(super) struct Plan {
    hosts: HashMap<Arc<str>, Host>,
    scheduled: HashMap<Uuid, Scheduled>,
    /// How many are being sent.
    sending: usize,
}

#[derive(Debug, Default)]
struct Host {
    waiting: BTreeSet<(Instant, Uuid)>,
    /// The callback that is being sent to this host.
    sending: Option<Uuid>,
}

#[derive(Debug)]
struct Scheduled {
    host: Arc<str>,
    due: Instant,
}

impl Plan {
    /// Schedules a callback, or reschedules it.
    pub(super) fn insert(&mut self, id: Uuid, host: &str, due: Instant) {
        self.unschedule(id);
        let host = match self.hosts.get_key_value(host) {
            Some((host, _)) => Arc::clone(host),
            None => host.into(),
        };
        let waiting = &mut self.hosts.entry(Arc::clone(&host)).or_default().waiting;
        waiting.insert((due, id));
        self.scheduled.insert(id, Scheduled { host, due });
    }

    /// Takes the next callback that is due. Its host gets no other before
    /// [`Plan::finish`] is called with its id.
    pub(super) fn take(&mut self, now: Instant) -> Option<Uuid> {
        if self.sending == MAX_CONCURRENT {
            return None;
        }
        let hosts = self
            .hosts
            .values_mut()
            .filter(|host| host.sending.is_none());
        let due = hosts.filter_map(|host| Some((*host.waiting.first()?, host)));
        let ((due, id), host) = due.min_by_key(|(first, _)| *first)?;
        if due > now {
            return None;
        }
        host.waiting.pop_first();
        host.sending = Some(id);
        self.sending += 1;
        self.scheduled.remove(&id);
        Some(id)
    }

    /// Marks an attempt as finished, successful or not.
    pub(super) fn finish(&mut self, id: Uuid) {
        for host in self.hosts.values_mut() {
            if host.sending.take_if(|sending| *sending == id).is_some() {
                self.sending -= 1;
            }
        }
        self.hosts
            .retain(|_, host| host.sending.is_some() || !host.waiting.is_empty());
    }

    /// When [`Plan::take`] will have a callback, if nothing else happens before.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let hosts = self.hosts.values().filter(|host| host.sending.is_none());
        let due = hosts.filter_map(|host| host.waiting.first().map(|(due, _)| *due));
        due.min().filter(|_| self.sending < MAX_CONCURRENT)
    }

    fn unschedule(&mut self, id: Uuid) {
        if let Some(Scheduled { host, due }) = self.scheduled.remove(&id)
            && let Some(host) = self.hosts.get_mut(&host)
        {
            host.waiting.remove(&(due, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_an_hour_with_jitter() {
        let seconds = |attempts, jitter| backoff(attempts, jitter).as_secs_f64();
        for (attempts, least, most) in [
            (1, 2.5, 5.0),
            (2, 5.0, 10.0),
            (3, 10.0, 20.0),
            (10, 1280.0, 2560.0),
            (11, 1800.0, 3600.0),
            (u32::MAX, 1800.0, 3600.0),
        ] {
            assert_eq!(seconds(attempts, 0.0), least);
            assert_eq!(seconds(attempts, 1.0), most);
        }
    }

    #[test]
    fn a_slow_host_does_not_delay_the_others() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let ids: Vec<Uuid> = (1..=9).map(Uuid::from_u128).collect();
        let mut plan = Plan::default();
        assert_eq!((plan.take(now), plan.next_due()), (None, None));
        plan.insert(ids[0], "slow", now);
        plan.insert(ids[1], "slow", now);
        plan.insert(ids[2], "other", later);
        assert_eq!(plan.take(now), Some(ids[0]));
        assert_eq!(plan.take(now), None, "slow is busy, the other one not due");
        assert_eq!(plan.next_due(), Some(later));
        assert_eq!(plan.take(later), Some(ids[2]));
        assert_eq!(plan.next_due(), None);
        // Scheduled again while it is being sent: sent again afterwards.
        plan.insert(ids[2], "other", now);
        assert_eq!(plan.take(later), None);
        plan.finish(ids[2]);
        assert_eq!(plan.take(now), Some(ids[2]));
        plan.finish(ids[2]);
        plan.finish(ids[0]);
        // Rescheduled: not sent twice.
        plan.insert(ids[1], "slow", later);
        assert_eq!(plan.take(now), None);
        assert_eq!(plan.take(later), Some(ids[1]));
        assert_eq!(plan.take(later), None);
        plan.finish(ids[1]);
        assert!(
            plan.hosts.is_empty() && plan.scheduled.is_empty(),
            "{plan:?}"
        );

        for (id, host) in ids.iter().zip(["a", "b", "c", "d", "e"]) {
            plan.insert(*id, host, now);
        }
        let taken: Vec<_> = std::iter::from_fn(|| plan.take(now)).collect();
        assert_eq!(taken.len(), MAX_CONCURRENT);
        assert_eq!(plan.next_due(), None);
        plan.finish(taken[0]);
        assert_eq!(plan.take(now), Some(ids[4]));
    }
}
