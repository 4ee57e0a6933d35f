//! Blocking disk operations that do not use the ring: renames, records, syncs.
//! A closure may contain several of them: they cost one switch to a blocking
//! thread and back.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Limits the blocking threads in use, for all ingest threads together. That
/// many syncs can share one flush of the disk.
static THREADS: Semaphore = Semaphore::const_new(MAX_THREADS);
const MAX_THREADS: usize = 16;

/// Permission to use one blocking thread.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<SemaphorePermit<'static>>,
}

/// Waits for a free blocking thread. Buffers for the operation should be
/// allocated after this returns, so that [`MAX_THREADS`] limits them too.
pub async fn permit() -> Permit {
    // Fails only if the semaphore is closed; it never is.
    Permit {
        _permit: THREADS.acquire().await.ok(),
    }
}

/// Runs `work` on a blocking thread. Once started it runs to completion, even
/// if the returned future is dropped.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    permit().await.run(work).await
}

/// Waits until no blocking thread is in use.
#[cfg(any(test, fuzzing))]
pub async fn idle() {
    drop(THREADS.acquire_many(MAX_THREADS as u32).await);
}

impl Permit {
    /// See [`run`].
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        #[cfg(test)]
        let work = crate::store::faults::inherit(work);
        let work = move || {
            let _permit = self;
            work()
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Cancelled: the runtime is shutting down and polls no more.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
