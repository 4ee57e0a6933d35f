//! Fair shares of what is limited: one owner never gets the last of it, so that
//! others are still served.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// By whom a limited thing is used. Those with tokens are counted by token, others
/// by the network of their address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The token with this name.
    Token(Arc<str>),
    /// A client without a token; see [`crate::access::network_of`].
    Network(IpAddr),
}

/// Something limited, of which every owner may use no more than is left for
/// others: alone it gets half, rounded up; of three each gets a quarter.
#[derive(Debug)]
pub struct Shares {
    whole: u64,
    used: Mutex<HashMap<Owner, u64>>,
}

/// One of a limited number, until dropped.
#[derive(Debug)]
pub struct Share {
    owner: Owner,
    of: Arc<Shares>,
}

/// Why an owner gets no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// It uses its share: so many.
    Share {
        /// What it uses.
        used: u64,
        /// What there is in all.
        whole: u64,
    },
    /// It uses none, but all are in use.
    Whole {
        /// What there is in all.
        whole: u64,
    },
}

/// Whether an owner that uses `used` may use `more` while `free` of the whole is
/// unused.
pub fn is_fair(used: u64, more: u64, free: u64) -> bool {
    // One more than what is left, so that the last of an odd number is used.
    let after = u128::from(used) + u128::from(more);
    u128::from(more) <= u128::from(free) && after + u128::from(more) <= u128::from(free) + 1
}

/// Lets an owner that uses `used` of `whole` use one more while `free` are unused.
pub fn require_one_more(used: u64, free: u64, whole: u64) -> Result<(), Exceeded> {
    match is_fair(used, 1, free) {
        true => Ok(()),
        false if used == 0 => Err(Exceeded::Whole { whole }),
        false => Err(Exceeded::Share { used, whole }),
    }
}

impl Shares {
    /// Of so many in all.
    pub fn of(whole: usize) -> Arc<Shares> {
        Arc::new(Shares {
            whole: whole as u64,
            used: Mutex::default(),
        })
    }

    /// One more for this owner.
    pub fn take(self: &Arc<Shares>, owner: Owner) -> Result<Share, Exceeded> {
        let mut used = self.used();
        let free = self.whole.saturating_sub(used.values().sum());
        let own = used.get(&owner).copied().unwrap_or(0);
        require_one_more(own, free, self.whole)?;
        used.insert(owner.clone(), own + 1);
        drop(used);
        let of = Arc::clone(self);
        Ok(Share { owner, of })
    }

    fn used(&self) -> MutexGuard<'_, HashMap<Owner, u64>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exceeded {
    /// What to say to a client that gets no more of these things.
    pub fn text(&self, things: &str) -> String {
        match self {
            Exceeded::Share { used, whole } => format!(
                "you have {used} {things}, and there are {whole} at most for all clients: that is \
                 your share; try again when some are done"
            ),
            Exceeded::Whole { whole } => {
                format!("there are {whole} {things}, and no more are accepted; try again later")
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut used = self.of.used();
        if let Some(count) = used.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner::Token(name.into())
    }

    /// How many of `whole` each of these owners gets, one after the other.
    fn taken(whole: usize, owners: usize) -> Vec<usize> {
        let shares = Shares::of(whole);
        let mut kept = Vec::new();
        let counts = (0..owners).map(|number| {
            let before = kept.len();
            kept.extend(std::iter::from_fn(|| {
                shares.take(owner(&number.to_string())).ok()
            }));
            kept.len() - before
        });
        let counts = counts.collect();
        drop(kept);
        assert!(shares.used().is_empty(), "nothing is left");
        counts
    }

    #[test]
    fn whoever_comes_later_gets_some() {
        assert_eq!(taken(1, 2), [1, 0]);
        assert_eq!(taken(5, 3), [3, 1, 1]);
        assert_eq!(taken(64, 4), [32, 16, 8, 4]);
    }

    #[test]
    fn the_reason_says_what_is_used() {
        let shares = Shares::of(2);
        let _one = shares.take(owner("a")).unwrap();
        let refused = shares.take(owner("a")).unwrap_err();
        assert_eq!(refused, Exceeded::Share { used: 1, whole: 2 });
        let _other = shares.take(owner("b")).unwrap();
        let refused = shares.take(owner("c")).unwrap_err();
        assert_eq!(refused, Exceeded::Whole { whole: 2 });
    }

    #[test]
    fn large_amounts_leave_as_much_as_they_take() {
        assert!(is_fair(0, 50, 100) && !is_fair(0, 51, 100));
        assert!(is_fair(25, 25, 75) && !is_fair(26, 25, 74));
        assert!(!is_fair(0, u64::MAX, u64::MAX));
        assert!(!is_fair(0, 1, 0));
    }
}
