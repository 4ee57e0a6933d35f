//! Tickets: what somebody who was let in hands on to a connection that can
//! carry no token, as browsers open them (WebSocket, EventSource).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::caller::Caller;

/// How long one is good for.
pub(super) const VALID: Duration = Duration::from_secs(60);

/// So many may be unused at a time.
const MOST: usize = 4096;

/// A ticket, for who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What is to be sent back; 122 random bits.
    pub secret: String,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
}

/// As many tickets as there may be are out and not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many tickets are out and not used; try again in a minute")]
pub struct TooManyTickets;

/// Those that were not used yet.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<HashMap<Uuid, Entry>>);

#[derive(Debug)]
struct Entry {
    caller: Caller,
    task: Uuid,
    until: Instant,
}

impl Tickets {
    pub(super) fn issue(
        &self,
        caller: Caller,
        task: Uuid,
        now: Instant,
    ) -> Result<Ticket, TooManyTickets> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() >= MOST {
            return Err(TooManyTickets);
        }
        // Version 4 is all random but for six bits, from the system's generator.
        let secret = Uuid::new_v4();
        let until = now + VALID;
        entries.insert(
            secret,
            Entry {
                caller,
                task,
                until,
            },
        );
        Ok(Ticket {
            secret: secret.simple().to_string(),
            expires_at: Timestamp::now() + SignedDuration::from_secs(VALID.as_secs() as i64),
        })
    }

    /// Whose it is, if it is good for this task now. It is gone either way.
    pub(super) fn redeem(&self, secret: &str, task: Option<Uuid>, now: Instant) -> Option<Caller> {
        let secret = Uuid::try_parse(secret).ok()?;
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.remove(&secret)?;
        (Some(entry.task) == task && entry.until > now).then_some(entry.caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_counts_once_for_one_task_and_for_a_minute() {
        let tickets = Tickets::default();
        let caller = Caller::Token("phone".into());
        let [task, other] = [Uuid::new_v4(), Uuid::new_v4()];
        let now = Instant::now();
        let issue = || tickets.issue(caller.clone(), task, now).unwrap().secret;
        for (asked, after, is_good) in [
            (task, Duration::ZERO, true),
            (task, VALID - Duration::from_secs(1), true),
            (task, VALID, false),
            (other, Duration::ZERO, false),
        ] {
            let secret = issue();
            let got = tickets.redeem(&secret, Some(asked), now + after);
            assert_eq!(got, is_good.then(|| caller.clone()), "{asked} {after:?}");
            assert_eq!(tickets.redeem(&secret, Some(task), now), None, "used");
        }
        assert_eq!(tickets.redeem(&issue(), None, now), None);
        for wrong in ["", "x", &Uuid::new_v4().to_string()] {
            assert_eq!(tickets.redeem(wrong, Some(task), now), None);
        }
    }

    #[test]
    fn there_are_only_so_many_tickets() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let issue = |now| tickets.issue(Caller::Anyone, Uuid::nil(), now).is_ok();
        assert!((0..MOST).all(|_| issue(now)));
        assert!(!issue(now));
        assert!(issue(now + VALID), "those before have expired");
    }
}
