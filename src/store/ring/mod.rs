//! The io_uring operations: what recordings are written by. Nothing else in the
//! daemon knows the crate behind them, or has `unsafe` code for them.
//!
//! A ring belongs to the thread that [`run`] was called on, and so do its
//! files. Two operations in flight at once are not ordered: what must come
//! after a write awaits it first.
//!
//! The crate hands operations to the kernel when the thread is about to sleep,
//! or when its queue is full. A busy thread may not sleep for long, and several
//! writes handed over together become one, which leaves the disk idle before it
//! and the thread after it. So the queue is short, and whoever has an operation
//! fills it: see [`prompt`].

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

/// Why this thread can have no ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// A policy forbids it.
    #[error(
        "io_uring is forbidden here ({0}): on a plain machine set `sysctl kernel.io_uring_disabled=0`; \
         in a container allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile"
    )]
    Forbidden(io::Error),
    /// The kernel has none.
    #[error(
        "this kernel has no io_uring ({0}): scribed needs Linux 5.11 or newer with CONFIG_IO_URING"
    )]
    Missing(io::Error),
    /// Its memory counts as locked, and no more may be.
    #[error(
        "no memory may be locked for io_uring ({0}): allow 8 MiB (`ulimit -l 8192`, LimitMEMLOCK=8M)"
    )]
    Memory(io::Error),
    /// It exists but could not be had.
    #[error("cannot set up io_uring: {0}")]
    Other(io::Error),
}

/// Runs `future` to its end on a ring of this thread's own, where
/// [`spawn`] and every operation of this module work.
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

/// Operations that gather before the kernel gets them; few, see [`submit`].
const QUEUE: u32 = 8;

/// Room for operations that are done and not looked at yet.
const COMPLETIONS: u32 = 256;

thread_local! {
    /// Those of the ring that runs on this thread.
    static BUFFERS: RefCell<Option<Rc<Buffers>>> = const { RefCell::new(None) };
}

/// The buffers of this thread's ring, made when they are first wanted.
pub(super) fn buffers() -> Rc<Buffers> {
    BUFFERS.with_borrow_mut(|buffers| {
        Rc::clone(buffers.get_or_insert_with(|| Rc::new(Buffers::new())))
    })
}

/// Does an operation; the kernel has it when this is first polled.
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

/// Hands everything that gathered to the kernel, by filling the queue with
/// operations that do nothing.
fn submit() {
    for _ in 0..QUEUE {
        // Polled once it stands in the queue; nobody waits for it.
        let _ = pin!(tokio_uring::no_op()).poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// Tells whether a ring can be had, without keeping one.
pub fn probe() -> Result<(), RingError> {
    run(async {})
}

/// Runs `future` beside the caller on this thread's ring. It goes on when the
/// returned handle is dropped.
pub fn spawn<F: Future + 'static>(future: F) -> tokio::task::JoinHandle<F::Output> {
    tokio_uring::spawn(future)
}

/// Tells from another thread whether a ring still turns.
#[derive(Debug)]
pub struct Heart(mpsc::Sender<oneshot::Sender<()>>);

impl Heart {
    /// Resolves once the ring has gone through an operation that it was given
    /// after this call; never if it does not turn.
    pub async fn beat(&self) {
        let (done, beat) = oneshot::channel();
        if self.0.send(done).await.is_err() || beat.await.is_err() {
            std::future::pending().await
        }
    }
}

/// The ring's side of a [`Heart`].
#[derive(Debug)]
pub struct Beats(mpsc::Receiver<oneshot::Sender<()>>);

impl Beats {
    /// Must be spawned on the ring for the heart to beat.
    pub async fn answer(mut self) {
        while let Some(done) = self.0.recv().await {
            if prompt(tokio_uring::no_op()).await.is_ok() {
                // Nobody waits any more: fine.
                let _ = done.send(());
            }
        }
    }
}

/// Both sides.
pub fn heart() -> (Heart, Beats) {
    let (heart, beats) = mpsc::channel(1);
    (Heart(heart), Beats(beats))
}

/// A file that recordings are written to. Dropping it closes it a moment later.
#[derive(Debug)]
pub(super) struct RingFile {
    file: fs::File,
    is_direct: bool,
}

impl RingFile {
    /// Through the page cache.
    pub(super) fn buffered(file: std::fs::File) -> RingFile {
        RingFile {
            file: fs::File::from_std(file),
            is_direct: false,
        }
    }

    /// Past it; `file` is open with O_DIRECT.
    pub(super) fn direct(file: std::fs::File) -> RingFile {
        RingFile {
            file: fs::File::from_std(file),
            is_direct: true,
        }
    }

    /// Writes the first `count` bytes of a buffer, one of `buffers`.
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
    fn a_thread_that_never_sleeps_starves_no_operation() {
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
