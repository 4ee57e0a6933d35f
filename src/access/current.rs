//! The tokens in force.

use super::grant::Grant;
use super::mode::Mode;
use super::tokens::{Token, Tokens};
use super::tokens_file::Loaded;

/// The tokens in force, and what they allow.
#[derive(Debug, Default)]
pub(super) struct Current {
    loaded: Loaded,
    /// One for each token, in the same order.
    grants: Vec<Grant>,
    /// Of requests without a token; revoked while they are refused.
    anonymous: Grant,
}

impl Current {
    /// These tokens, with the grants of those that were there before.
    pub(super) fn of(loaded: Loaded, before: &Current, mode: &Mode) -> Current {
        let tokens = &loaded.tokens;
        let grants = tokens.iter().map(|token| before.grant(token));
        let grants = grants.map(Option::unwrap_or_default).collect();
        let is_anonymous =
            matches!(mode, Mode::Open { .. }) || tokens.is_empty() && !loaded.is_lost;
        let anonymous = match (is_anonymous, before.anonymous.is_revoked()) {
            (true, true) => Grant::default(),
            (true, false) => before.anonymous.clone(),
            (false, _) => {
                let none = Grant::default();
                none.revoke();
                none
            }
        };
        Current {
            loaded,
            grants,
            anonymous,
        }
    }

    /// The grant of the same token: with this name, secret and role.
    pub(super) fn grant(&self, token: &Token) -> Option<Grant> {
        let known = self.loaded.tokens.iter().zip(&self.grants);
        let mut same = known.filter(|(known, _)| known.is_same(token));
        same.next().map(|(_, grant)| grant.clone())
    }

    pub(super) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.loaded.tokens
    }

    pub(super) fn is_lost(&self) -> bool {
        self.loaded.is_lost
    }

    /// What callers without a token may do.
    pub(super) fn anonymous(&self) -> &Grant {
        &self.anonymous
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().chain([&self.anonymous])
    }
}
