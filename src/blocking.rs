//! Blocking disk operations that do not use the ring: renames, records, syncs.
//! A closure may contain several of them: they cost one switch to a blocking
//! thread and back.

use std::num::NonZero;
use std::sync::LazyLock;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Limits the blocking threads in use, for all ingest threads together. That
/// many syncs can share one flush of the disk.
static THREADS: Semaphore = Semaphore::const_new(MAX_THREADS);
const MAX_THREADS: usize = 16;

/// Limits how many of these threads compute at a time: documents are written and
/// lists searched by a few, so that syncs always find a thread and the ingest
/// threads a CPU.
static COMPUTING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(max_computing()));

/// Half of the CPUs, and four at most.
fn max_computing() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, NonZero::get);
    (cpus / 2).clamp(1, 4)
}

/// Permission to use one blocking thread.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<SemaphorePermit<'static>>,
    _computing: Option<SemaphorePermit<'static>>,
}

/// Waits for a free blocking thread. Buffers for the operation should be
/// allocated after this returns, so that [`MAX_THREADS`] limits them too.
pub async fn permit() -> Permit {
    // Fails only if the semaphore is closed; it never is.
    Permit {
        _permit: THREADS.acquire().await.ok(),
        _computing: None,
    }
}

/// Runs `work` on a blocking thread. Once started it runs to completion, even
/// if the returned future is dropped.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    permit().await.run(work).await
}

/// The same for work that takes CPU time: only a few at a time, in the order of the
/// calls. It must end soon and wait for no client.
pub async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let computing = COMPUTING.acquire().await.ok();
    let mut permit = permit().await;
    permit._computing = computing;
    permit.run(work).await
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn few_threads_compute_and_others_stay_free() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let computing = (0..3 * max_computing()).map(|_| {
            compute(|| {
                let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
                MOST.fetch_max(running, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                RUNNING.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let mut ended = 0;
        let all = async {
            futures_util::future::join_all(computing).await;
        };
        let other = async {
            run(|| {}).await;
            ended += RUNNING.load(Ordering::SeqCst);
        };
        tokio::join!(all, other);
        assert_eq!(MOST.load(Ordering::SeqCst), max_computing());
        assert!(ended > 0, "it had to wait for those that compute");
    }
}
