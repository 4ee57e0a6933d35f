//! Steps that wait for the disk and are not worth the ring: names, records,
//! syncs. Several of them, one after the other, cost one change of threads.

use tokio::sync::Semaphore;

/// So many at a time, over all ingest threads: each has a thread, and so many
/// syncs can share a flush of the disk.
static FREE: Semaphore = Semaphore::const_new(32);

/// Does `work` on a thread where waiting harms nobody. Once begun it goes on to
/// its end, also when the returned future is dropped.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    #[cfg(test)]
    let work = super::appender::faults::handed_on(work);
    // Nobody closes it.
    let permit = FREE.acquire().await.ok();
    let work = move || {
        let _until_the_end = permit;
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
