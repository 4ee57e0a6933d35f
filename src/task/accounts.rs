//! Who had how much of the engine: the time that decides whose turn it is.

use std::collections::HashMap;

use crate::shares::Owner;
use crate::store::facts::Priority;

/// While bulk tasks wait, interactive ones get this many times as much of the
/// engine as those.
const INTERACTIVE_TO_BULK: f64 = 3.0;
/// An owner's interactive tasks go before another owner's bulk tasks until it has
/// used so many seconds of the engine more than the other.
const LEAD_MAX_S: f64 = 20.0;
/// Interactive tasks may owe bulk tasks so many seconds: a short one does not wait
/// for a bulk task's window because of another short one before it.
const DEBT_FREE_S: f64 = 5.0;
/// The most that interactive tasks can be ahead of or behind their share, in
/// seconds of bulk tasks: no longer than that do others wait for the balance.
const DEBT_MAX_S: f64 = 120.0;

/// An owner that is away for a moment may be so far behind all others when it comes
/// back: a client that sends its recordings one by one gets its share, too.
const LAG_MAX_S: f64 = 30.0;

/// The seconds of the engine that owners have used, as far as it matters: since
/// the engine was idle the last time.
///
/// Start-time fair queueing: the owner that has used least is next. Owners that
/// come, or come back later, begin with as much as the least that a present owner
/// has used, so that no time is saved up.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    used_s: HashMap<Owner, f64>,
    /// The least that an owner with waiting or running tasks has used.
    floor_s: f64,
    balance: Balance,
}

/// What interactive tasks owe to bulk tasks, in seconds of the engine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Balance(f64);

impl Balance {
    /// A task of this priority used the engine while these waited.
    pub(super) fn charge(&mut self, priority: Priority, used_s: f64, waiting: Waiting) {
        match priority {
            Priority::Interactive if waiting.bulk => self.0 += used_s / INTERACTIVE_TO_BULK,
            Priority::Interactive => {}
            Priority::Bulk => self.0 -= used_s,
        }
        // What is not waited for is not saved up.
        let least = if waiting.interactive {
            -DEBT_MAX_S
        } else {
            0.0
        };
        self.0 = self.0.clamp(least, DEBT_MAX_S);
    }

    /// Whether an interactive task of an owner goes before a bulk task of an
    /// owner, who have used so much.
    pub(super) fn prefers_interactive(&self, interactive_s: f64, bulk_s: f64) -> bool {
        self.0 <= DEBT_FREE_S && interactive_s <= bulk_s + LEAD_MAX_S
    }
}

/// Which priorities tasks have that wait.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    pub interactive: bool,
    pub bulk: bool,
}

impl Accounts {
    pub(super) fn used_s(&self, owner: &Owner) -> f64 {
        self.used_s.get(owner).copied().unwrap_or(self.floor_s)
    }

    pub(super) fn balance(&self) -> Balance {
        self.balance
    }

    /// A task of this owner used the engine for so long while these waited.
    pub(super) fn charge(
        &mut self,
        (owner, priority): (&Owner, Priority),
        used_s: f64,
        waiting: Waiting,
    ) {
        let total_s = self.used_s(owner) + used_s;
        self.used_s.insert(owner.clone(), total_s);
        self.balance.charge(priority, used_s, waiting);
    }

    /// These owners have tasks that wait or run. To be called before another
    /// one comes; what is known of those that are gone is forgotten once it does
    /// not matter.
    pub(super) fn settle<'a>(&mut self, active: impl Iterator<Item = &'a Owner>) {
        let least_s = active.map(|owner| self.used_s(owner)).reduce(f64::min);
        match least_s {
            Some(least_s) => {
                self.floor_s = least_s.max(self.floor_s);
                let least_s = self.floor_s - LAG_MAX_S;
                self.used_s.retain(|_, used_s| *used_s >= least_s);
            }
            None => *self = Accounts::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner::Token(name.into())
    }

    const BULK: Waiting = Waiting {
        interactive: false,
        bulk: true,
    };

    #[test]
    fn no_time_is_saved_up_and_new_owners_are_not_behind() {
        let [a, b, c] = ["a", "b", "c"].map(owner);
        let mut accounts = Accounts::default();
        accounts.charge((&a, Priority::Bulk), 100.0, BULK);
        accounts.settle([&a].into_iter());
        assert_eq!(accounts.used_s(&b), 100.0, "as if it had been there");
        accounts.charge((&b, Priority::Bulk), 10.0, BULK);
        accounts.settle([&a, &b].into_iter());
        assert_eq!(accounts.used_s(&c), 100.0);
        // One who goes with a lead has it when it comes back at once.
        accounts.settle([&a].into_iter());
        assert_eq!(accounts.used_s(&b), 110.0);
        accounts.charge((&a, Priority::Bulk), 50.0, BULK);
        accounts.settle([&a].into_iter());
        assert_eq!(accounts.used_s(&b), 150.0);
        assert_eq!(accounts.used_s.len(), 1, "it is forgotten");
        // Back at once, it is as far behind as it was.
        accounts.charge((&b, Priority::Bulk), 1.0, BULK);
        accounts.charge((&a, Priority::Bulk), 20.0, BULK);
        accounts.settle([&a].into_iter());
        assert_eq!((accounts.used_s(&b), accounts.used_s(&c)), (151.0, 170.0));
        accounts.settle([].into_iter());
        assert_eq!(accounts.used_s(&a), 0.0, "the engine is idle");
    }

    #[test]
    fn interactive_tasks_get_three_quarters_and_owe_the_rest() {
        let mut balance = Balance::default();
        let both = Waiting {
            interactive: true,
            bulk: true,
        };
        let is_due = |balance: Balance| balance.prefers_interactive(0.0, 0.0);
        let (mut interactive, mut bulk) = (0, 0i32);
        for _ in 0..1000 {
            let (priority, count) = match is_due(balance) {
                true => (Priority::Interactive, &mut interactive),
                false => (Priority::Bulk, &mut bulk),
            };
            *count += 1;
            balance.charge(priority, 1.0, both);
        }
        let less = DEBT_FREE_S as i32;
        assert!((250 - less..=250).contains(&bulk), "{interactive} {bulk}");
        // Alone they owe nothing; bulk tasks alone save nothing up.
        let mut balance = Balance::default();
        balance.charge(Priority::Interactive, 1000.0, Waiting::default());
        assert!(is_due(balance));
        balance.charge(Priority::Bulk, 1000.0, BULK);
        balance.charge(Priority::Interactive, 14.0, BULK);
        assert!(is_due(balance));
        balance.charge(Priority::Interactive, 2.0, BULK);
        assert!(!is_due(balance));
        let balance = Balance::default();
        assert!(!balance.prefers_interactive(LEAD_MAX_S + 1.0, 0.0));
    }
}
