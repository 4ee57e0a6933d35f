//! Tickets: one-time credentials for connections for which browsers cannot set
//! an `Authorization` header (WebSocket, EventSource).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::caller::Caller;
use crate::shares::{Exceeded, Owner, require_one_more};

/// How long a ticket is valid.
pub(super) const LIFETIME: Duration = Duration::from_secs(60);

/// Most unused tickets at a time.
const MAX_UNUSED: usize = 4096;

/// A ticket, as issued to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The secret that the client must send; 122 random bits.
    pub secret: String,
    /// When the ticket expires.
    pub expires_at: Timestamp,
}

/// The limit of unused tickets is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.text("unused tickets"))]
pub struct TooManyTickets(pub Exceeded);

/// The unused tickets.
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
        let owner = caller.owner();
        if require_share(&entries, &owner).is_err() {
            entries.retain(|_, entry| entry.until > now);
            require_share(&entries, &owner).map_err(TooManyTickets)?;
        }
        // Version 4: 122 random bits from the operating system.
        let secret = Uuid::new_v4();
        let until = now + LIFETIME;
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
            expires_at: Timestamp::now() + SignedDuration::from_secs(LIFETIME.as_secs() as i64),
        })
    }

    /// Redeems a ticket: the caller it was issued to if it is valid for this
    /// task, else `None`. The ticket is used up either way.
    pub(super) fn redeem(&self, secret: &str, task: Option<Uuid>, now: Instant) -> Option<Caller> {
        let secret = Uuid::try_parse(secret).ok()?;
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.remove(&secret)?;
        (Some(entry.task) == task && entry.until > now).then_some(entry.caller)
    }
}

/// Refuses one more ticket to an owner that has its share.
fn require_share(entries: &HashMap<Uuid, Entry>, owner: &Owner) -> Result<(), Exceeded> {
    let own = entries
        .values()
        .filter(|entry| entry.caller.owner() == *owner);
    let free = MAX_UNUSED.saturating_sub(entries.len());
    require_one_more(own.count() as u64, free as u64, MAX_UNUSED as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_valid_once_for_one_task_and_for_a_minute() {
        let tickets = Tickets::default();
        let caller = Caller::Token("phone".into());
        let [task, other] = [Uuid::new_v4(), Uuid::new_v4()];
        let now = Instant::now();
        let issue = || tickets.issue(caller.clone(), task, now).unwrap().secret;
        for (asked, after, is_valid) in [
            (task, Duration::ZERO, true),
            (task, LIFETIME - Duration::from_secs(1), true),
            (task, LIFETIME, false),
            (other, Duration::ZERO, false),
        ] {
            let secret = issue();
            let got = tickets.redeem(&secret, Some(asked), now + after);
            assert_eq!(got, is_valid.then(|| caller.clone()), "{asked} {after:?}");
            assert_eq!(tickets.redeem(&secret, Some(task), now), None, "used");
        }
        assert_eq!(tickets.redeem(&issue(), None, now), None);
        for wrong in ["", "x", &Uuid::new_v4().to_string()] {
            assert_eq!(tickets.redeem(wrong, Some(task), now), None);
        }
    }

    #[test]
    fn unused_tickets_are_shared() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let [phone, other] = ["phone", "other"].map(|name| Caller::Token(name.into()));
        let issue = |caller: &Caller, now| tickets.issue(caller.clone(), Uuid::nil(), now).is_ok();
        assert!((0..MAX_UNUSED / 2).all(|_| issue(&phone, now)));
        assert!(!issue(&phone, now) && issue(&other, now), "a share each");
        let later = now + LIFETIME;
        assert!(issue(&phone, later), "the earlier tickets have expired");
    }
}
