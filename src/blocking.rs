//! Steps that wait for the disk and are not worth the ring: names, records,
//! syncs. Several of them, one after the other, cost one change of threads.

use tokio::sync::{Semaphore, SemaphorePermit};

/// So many at a time, over all ingest threads: each has a thread, and so many
/// syncs can share a flush of the disk.
static HELPERS: Semaphore = Semaphore::const_new(COUNT);
const COUNT: usize = 16;

/// A helper that is free.
#[derive(Debug)]
pub struct Free {
    _until_the_end: Option<SemaphorePermit<'static>>,
}

/// Waits for one. What takes memory is better made after this: only
/// so many have it at a time.
pub async fn free() -> Free {
    // Nobody closes it.
    Free {
        _until_the_end: HELPERS.acquire().await.ok(),
    }
}

/// Does `work` on a thread where waiting harms nobody. Once begun it goes on to
/// its end, also when the returned future is dropped.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    free().await.run(work).await
}

/// Waits until none is at work.
#[cfg(any(test, fuzzing))]
pub async fn idle() {
    drop(HELPERS.acquire_many(COUNT as u32).await);
}

impl Free {
    /// See [`run`].
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        #[cfg(test)]
        let work = crate::store::faults::handed_on(work);
        let work = move || {
            let _free = self;
            work()
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that shuts down cancels, and then nobody waits.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
