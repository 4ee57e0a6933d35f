//! The right to act, which ends when its token is removed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What one token, or anonymous access, currently allows. Whatever was begun with
/// it ends once it is revoked: requests, their responses, and work that goes on
/// without a connection.
///
/// Bound to the secret of the token, not to its name: a new token of the same
/// name is another grant.
#[derive(Debug, Clone)]
pub struct Grant(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    is_revoked: watch::Sender<bool>,
    /// How many [`Step`]s are being made.
    steps: Mutex<usize>,
    /// There are fewer of them.
    fewer: Condvar,
}

/// The grant was revoked: nothing new may be begun with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked;

/// A step that must not happen after a revocation, such as making a task.
/// [`Access::reload`](super::Access::reload) returns after its end.
#[derive(Debug)]
pub struct Step(Grant);

impl PartialEq for Grant {
    fn eq(&self, other: &Grant) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One that nothing revokes.
impl Default for Grant {
    fn default() -> Grant {
        Grant(Arc::new(Inner {
            is_revoked: watch::Sender::new(false),
            steps: Mutex::new(0),
            fewer: Condvar::new(),
        }))
    }
}

impl Grant {
    /// Begins a step that no revocation may precede.
    pub fn step(&self) -> Result<Step, Revoked> {
        let mut steps = self.steps();
        if self.is_revoked() {
            return Err(Revoked);
        }
        *steps = steps.saturating_add(1);
        Ok(Step(self.clone()))
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        *self.0.is_revoked.borrow()
    }

    /// Resolves once it is revoked.
    pub async fn revoked(&self) {
        let mut is_revoked = self.0.is_revoked.subscribe();
        if is_revoked.wait_for(|is_revoked| *is_revoked).await.is_err() {
            // The sender is held by `self`.
            std::future::pending().await
        }
    }

    /// Revokes it: from now on no step begins.
    pub(crate) fn revoke(&self) {
        // Within the lock: a step begins before or not at all.
        let _steps = self.steps();
        self.0.is_revoked.send_replace(true);
    }

    /// Waits for the end of all steps. Blocks, on the disk too.
    pub(crate) fn wait_for_steps(&self) {
        let mut steps = self.steps();
        while *steps > 0 {
            steps = self
                .0
                .fewer
                .wait(steps)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn steps(&self) -> MutexGuard<'_, usize> {
        self.0.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        let mut steps = self.0.steps();
        *steps = steps.saturating_sub(1);
        self.0.0.fewer.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_step_begins_after_a_revocation_and_none_outlives_it() {
        let grant = Grant::default();
        let step = grant.step().unwrap();
        std::thread::scope(|scope| {
            let revoking = scope.spawn(|| {
                grant.revoke();
                grant.wait_for_steps();
            });
            while !grant.is_revoked() {
                std::thread::yield_now();
            }
            assert_eq!(grant.step().unwrap_err(), Revoked);
            std::thread::sleep(Duration::from_millis(20));
            assert!(!revoking.is_finished(), "a step is still being made");
            drop(step);
            revoking.join().unwrap();
        });
    }

    #[tokio::test]
    async fn all_who_wait_for_a_revocation_get_it() {
        let grant = Grant::default();
        let (early, late) = (grant.clone(), grant.clone());
        let waiting = tokio::spawn(async move { early.revoked().await });
        tokio::task::yield_now().await;
        grant.revoke();
        waiting.await.unwrap();
        late.revoked().await;
        assert!(grant == late && grant != Grant::default());
    }
}
