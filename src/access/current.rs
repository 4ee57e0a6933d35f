//! The tokens in force.

use super::grant::Grant;
use super::tokens::{Token, Tokens};

/// The tokens in force, and what they allow.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub tokens: Tokens,
    /// One for each token, in the same order.
    grants: Vec<Grant>,
    /// Of requests without a token; revoked while they are refused.
    pub anonymous: Grant,
}

impl Current {
    /// These tokens, with the grants of those that were there before. `is_open`:
    /// requests need no token.
    pub(super) fn of(tokens: Tokens, before: &Current, is_open: bool) -> Current {
        let grants = tokens.iter().map(|token| before.grant(token));
        let grants = grants.map(Option::unwrap_or_default).collect();
        let is_anonymous = is_open || tokens.is_empty();
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
            tokens,
            grants,
            anonymous,
        }
    }

    /// The grant of the same token: with this name, secret and role.
    pub(super) fn grant(&self, token: &Token) -> Option<Grant> {
        let known = self.tokens.iter().zip(&self.grants);
        let mut same = known.filter(|(known, _)| known.is_same(token));
        same.next().map(|(_, grant)| grant.clone())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().chain([&self.anonymous])
    }
}
