//! Writes recordings with io_uring. Only this module uses the crate
//! `tokio_uring`, and `unsafe` code for it.
//!
//! A ring and its files belong to the thread that called [`run`]. Operations in
//! flight are not ordered: an operation that must follow a write awaits it first.
//!
//! The crate submits operations to the kernel when the thread is about to sleep
//! or when the submission queue is full. A busy thread may not sleep for a long
//! time, and writes that are submitted together complete together, which leaves
//! the disk idle before them and the thread idle after them. So the queue is
//! short, and every operation fills it to force its submission: see [`prompt`].

mod buffers;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use nix::errno::Errno;
use tokio::sync::{mpsc, oneshot};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs;

pub(super) use buffers::{BLOCK_BYTES, BUFFER_BYTES, Buffer, Buffers};

/// io_uring cannot be used. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// A policy forbids io_uring.
    #[error(
        "io_uring is forbidden here ({0}): on a plain machine set `sysctl kernel.io_uring_disabled=0`; \
         in a container allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile"
    )]
    Forbidden(io::Error),
    /// The kernel does not support io_uring.
    #[error(
        "this kernel has no io_uring ({0}): scribed needs Linux 5.11 or newer with CONFIG_IO_URING"
    )]
    Missing(io::Error),
    /// The limit of locked memory, which includes the memory of rings, is
    /// exhausted.
    #[error(
        "cannot lock memory for io_uring ({0}): allow 8 MiB (`ulimit -l 8192`, LimitMEMLOCK=8M)"
    )]
    Memory(io::Error),
    /// Another OS error.
    #[error("cannot set up io_uring: {0}")]
    Other(io::Error),
}

/// Creates a ring for this thread and runs `future` to completion on it. Within
/// `future`, [`spawn`] and the operations of this module can be used.
pub fn run<F: Future>(future: F) -> Result<F::Output, RingError> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_cqsize(COMPLETIONS);
    let mut builder = tokio_uring::builder();
    builder.entries(QUEUE).uring_builder(&ring);
    let runtime = tokio_uring::Runtime::new(&builder).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPERM | Errno::EACCES) => RingError::Forbidden(error),
            Some(Errno::ENOSYS) => RingError::Missing(error),
            Some(Errno::ENOMEM) => RingError::Memory(error),
            _ => RingError::Other(error),
        }
    })?;
    let output = runtime.block_on(future);
    BUFFERS.take();
    Ok(output)
}

/// Size of the submission queue; small, see [`submit`].
const QUEUE: u32 = 8;

/// Size of the completion queue.
const COMPLETIONS: u32 = 256;

thread_local! {
    /// The buffers of this thread's ring.
    static BUFFERS: RefCell<Option<Rc<Buffers>>> = const { RefCell::new(None) };
}

/// The buffers of this thread's ring, allocated on first use.
pub(super) fn buffers() -> Rc<Buffers> {
    BUFFERS.with_borrow_mut(|buffers| {
        Rc::clone(buffers.get_or_insert_with(|| Rc::new(Buffers::new())))
    })
}

/// Runs an operation; the first poll submits it to the kernel.
async fn prompt<F: Future>(operation: F) -> F::Output {
    let mut operation = pin!(operation);
    let mut is_submitted = false;
    poll_fn(|context| {
        let polled = operation.as_mut().poll(context);
        if polled.is_pending() && !is_submitted {
            is_submitted = true;
            submit();
        }
        polled
    })
    .await
}

/// Submits all queued operations to the kernel, by filling the submission queue
/// with no-ops.
fn submit() {
    for _ in 0..QUEUE {
        // One poll puts it into the queue; its completion is not awaited.
        let _ = pin!(tokio_uring::no_op()).poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// Checks whether a ring can be created.
pub fn probe() -> Result<(), RingError> {
    run(async {})
}

/// Spawns `future` on this thread's ring. It continues when the returned handle
/// is dropped.
pub fn spawn<F: Future + 'static>(future: F) -> tokio::task::JoinHandle<F::Output> {
    tokio_uring::spawn(future)
}

/// Checks from another thread whether a ring makes progress.
#[derive(Debug)]
pub struct Heartbeat(mpsc::Sender<oneshot::Sender<()>>);

impl Heartbeat {
    /// Resolves once the ring has completed an operation that was started after
    /// this call; never if it makes no progress.
    pub async fn ping(&self) {
        let (pong, received) = oneshot::channel();
        if self.0.send(pong).await.is_err() || received.await.is_err() {
            std::future::pending().await
        }
    }
}

/// The ring's side of a [`Heartbeat`].
#[derive(Debug)]
pub struct HeartbeatResponder(mpsc::Receiver<oneshot::Sender<()>>);

impl HeartbeatResponder {
    /// Answers pings. Must be spawned on the ring.
    pub async fn run(mut self) {
        while let Some(pong) = self.0.recv().await {
            if prompt(tokio_uring::no_op()).await.is_ok() {
                // Fails if the ping was cancelled.
                let _ = pong.send(());
            }
        }
    }
}

/// Creates both sides of a heartbeat.
pub fn heartbeat() -> (Heartbeat, HeartbeatResponder) {
    let (sender, receiver) = mpsc::channel(1);
    (Heartbeat(sender), HeartbeatResponder(receiver))
}

/// A data file on the ring. Dropping it closes it asynchronously.
#[derive(Debug)]
pub(super) struct RingFile {
    file: fs::File,
    is_direct: bool,
}

impl RingFile {
    /// For buffered I/O, through the page cache.
    pub(super) fn buffered(file: std::fs::File) -> RingFile {
        RingFile {
            file: fs::File::from_std(file),
            is_direct: false,
        }
    }

    /// For direct I/O; `file` must be open with O_DIRECT.
    pub(super) fn direct(file: std::fs::File) -> RingFile {
        RingFile {
            file: fs::File::from_std(file),
            is_direct: true,
        }
    }

    /// Writes the first `count` bytes of `buffer`, which must be from `buffers`.
    pub(super) async fn write(
        &self,
        buffers: &Buffers,
        buffer: Buffer,
        count: usize,
        position: u64,
    ) -> io::Result<()> {
        let bytes = buffer.slice(..count);
        match self.is_direct && buffers.is_registered() {
            true => prompt(self.file.write_fixed_all_at(bytes, position)).await,
            false => prompt(self.file.write_all_at(bytes, position)).await,
        }
        .0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_complete_on_a_thread_that_never_sleeps() {
        const MANY_TURNS: usize = 10_000_000;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let turns = run(async {
            let busy = spawn(async {
                for turn in 0..MANY_TURNS {
                    if is_done() {
                        return turn;
                    }
                    tokio::task::yield_now().await;
                }
                MANY_TURNS
            });
            let file = RingFile::buffered(std::fs::File::create(&path).unwrap());
            for position in 0..20 {
                let mut buffer = buffers().take().await;
                buffer[0] = b'x';
                let written = file.write(&buffers(), buffer, 1, position).await;
                written.unwrap();
            }
            DONE.set(true);
            busy.await.unwrap()
        });
        assert!(turns.unwrap() < MANY_TURNS, "the busy one ended first");
        assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 20]);
    }

    thread_local! {
        static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    fn is_done() -> bool {
        DONE.get()
    }
}
