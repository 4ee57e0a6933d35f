//! Which callback is sent when.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// So many are sent at a time, each to another host.
const MOST: usize = 4;

/// After the first attempt ...
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// ... doubled with each one, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long to wait after so many attempts: half of it for certain, of the
/// rest `chance`, 0..=1, so that many that failed together come apart.
pub(super) fn pause(attempts: u32, chance: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let whole = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
    whole / 2 + (whole / 2).mul_f64(chance)
}

/// All that wait, by host.
#[derive(Debug, Default)]
pub(super) struct Plan {
    hosts: HashMap<Arc<str>, Host>,
    known: HashMap<Uuid, Known>,
    busy: usize,
}

#[derive(Debug, Default)]
struct Host {
    waiting: BTreeSet<(Instant, Uuid)>,
    /// One is being sent there.
    busy: Option<Uuid>,
}

#[derive(Debug)]
struct Known {
    host: Arc<str>,
    due: Instant,
}

impl Plan {
    /// Plans one, or plans it anew.
    pub(super) fn put(&mut self, id: Uuid, host: &str, due: Instant) {
        self.drop_waiting(id);
        let host = match self.hosts.get_key_value(host) {
            Some((host, _)) => Arc::clone(host),
            None => host.into(),
        };
        let waiting = &mut self.hosts.entry(Arc::clone(&host)).or_default().waiting;
        waiting.insert((due, id));
        self.known.insert(id, Known { host, due });
    }

    /// The next one that may be sent now. Its host gets no other before
    /// [`Plan::ended`] is said of it.
    pub(super) fn take(&mut self, now: Instant) -> Option<Uuid> {
        if self.busy == MOST {
            return None;
        }
        let hosts = self.hosts.values_mut().filter(|host| host.busy.is_none());
        let due = hosts.filter_map(|host| Some((*host.waiting.first()?, host)));
        let ((due, id), host) = due.min_by_key(|(first, _)| *first)?;
        if due > now {
            return None;
        }
        host.waiting.pop_first();
        host.busy = Some(id);
        self.busy += 1;
        self.known.remove(&id);
        Some(id)
    }

    /// It is sent, or was not taken.
    pub(super) fn ended(&mut self, id: Uuid) {
        for host in self.hosts.values_mut() {
            if host.busy.take_if(|busy| *busy == id).is_some() {
                self.busy -= 1;
            }
        }
        self.hosts
            .retain(|_, host| host.busy.is_some() || !host.waiting.is_empty());
    }

    /// When [`Plan::take`] has something, if nothing else happens before.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let hosts = self.hosts.values().filter(|host| host.busy.is_none());
        let due = hosts.filter_map(|host| host.waiting.first().map(|(due, _)| *due));
        due.min().filter(|_| self.busy < MOST)
    }

    fn drop_waiting(&mut self, id: Uuid) {
        if let Some(Known { host, due }) = self.known.remove(&id)
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
    fn pauses_double_up_to_an_hour_and_come_apart() {
        let seconds = |attempts, chance| pause(attempts, chance).as_secs_f64();
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
    fn one_host_holds_up_none_of_the_others() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let ids: Vec<Uuid> = (1..=9).map(Uuid::from_u128).collect();
        let mut plan = Plan::default();
        assert_eq!((plan.take(now), plan.next_due()), (None, None));
        plan.put(ids[0], "slow", now);
        plan.put(ids[1], "slow", now);
        plan.put(ids[2], "other", later);
        assert_eq!(plan.take(now), Some(ids[0]));
        assert_eq!(plan.take(now), None, "slow is busy, the other one not due");
        assert_eq!(plan.next_due(), Some(later));
        assert_eq!(plan.take(later), Some(ids[2]));
        assert_eq!(plan.next_due(), None);
        // Once more, while it is being sent: afterwards.
        plan.put(ids[2], "other", now);
        assert_eq!(plan.take(later), None);
        plan.ended(ids[2]);
        assert_eq!(plan.take(now), Some(ids[2]));
        plan.ended(ids[2]);
        plan.ended(ids[0]);
        // Planned anew: not twice.
        plan.put(ids[1], "slow", later);
        assert_eq!(plan.take(now), None);
        assert_eq!(plan.take(later), Some(ids[1]));
        assert_eq!(plan.take(later), None);
        plan.ended(ids[1]);
        assert!(plan.hosts.is_empty() && plan.known.is_empty(), "{plan:?}");

        for (id, host) in ids.iter().zip(["a", "b", "c", "d", "e"]) {
            plan.put(*id, host, now);
        }
        let taken: Vec<_> = std::iter::from_fn(|| plan.take(now)).collect();
        assert_eq!(taken.len(), MOST);
        assert_eq!(plan.next_due(), None);
        plan.ended(taken[0]);
        assert_eq!(plan.take(now), Some(ids[4]));
    }
}
