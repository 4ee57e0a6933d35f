//! What the threads of one connection share: the way out, and the jobs that run.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scribed::protocol::Report;
use scribed::protocol::wire;

/// One connection to the daemon.
pub struct Connection {
    writer: Mutex<UnixStream>,
    slots: usize,
    /// From a job's arrival until just before its last report.
    jobs: Mutex<Vec<ActiveJob>>,
}

struct ActiveJob {
    id: u64,
    stop: Arc<AtomicBool>,
}

impl Connection {
    /// Takes so many jobs at a time.
    pub fn new(writer: UnixStream, slots: usize) -> Self {
        Self {
            writer: Mutex::new(writer),
            slots,
            jobs: Mutex::default(),
        }
    }

    /// An error means that the daemon is gone, which the reader learns as well.
    pub fn report(&self, report: &Report) {
        match wire::encode(report) {
            Ok(frame) => drop(lock(&self.writer).write_all(&frame)),
            Err(error) => tracing::error!("a report could not be sent: {error}"),
        }
    }

    /// Begins a job; returns what is set when it must stop. `None`: no slot is free.
    pub fn begin(&self, id: u64) -> Option<Arc<AtomicBool>> {
        let mut jobs = lock(&self.jobs);
        if jobs.len() >= self.slots {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        jobs.push(ActiveJob {
            id,
            stop: Arc::clone(&stop),
        });
        Some(stop)
    }

    /// Frees the slot of a job. Before its last report: the next job may follow
    /// at once.
    pub fn end(&self, id: u64) {
        lock(&self.jobs).retain(|job| job.id != id);
    }

    /// Stops this job, or all (`None`).
    pub fn stop(&self, wanted: Option<u64>) {
        let jobs = lock(&self.jobs);
        for job in jobs
            .iter()
            .filter(|job| wanted.is_none_or(|id| id == job.id))
        {
            job.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Whether no job runs.
    pub fn is_idle(&self) -> bool {
        lock(&self.jobs).is_empty()
    }

    /// Ends the stream in both directions, which wakes the reader.
    pub fn hang_up(&self) {
        // Fails only if the daemon has hung up.
        let _ = lock(&self.writer).shutdown(Shutdown::Both);
    }
}

/// What these locks guard is whole at any moment, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
