//! The buffer pool of a ring: bounded, aligned for O_DIRECT, and registered with
//! the kernel if that is allowed, so that writes need no copy and no page table
//! lookup.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Once;

use nix::sys::mman::{MmapAdvise, madvise};
use tokio::sync::watch;
use tokio_uring::buf::fixed::FixedBufPool;
use tokio_uring::buf::{IoBuf, IoBufMut};
use tracing::warn;

/// A buffer; returned to the pool when dropped.
pub(in crate::store) type Buffer = tokio_uring::buf::fixed::FixedBuf;

/// Size of a buffer.
pub(in crate::store) const BUFFER_BYTES: usize = 1 << 20;

/// Number of buffers; together with the ring they fit into the 8 MiB that any
/// process may lock.
const BUFFERS: usize = 6;

const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Alignment of file positions, lengths and addresses in direct writes: a
/// multiple of the block size of any disk and file system in use.
pub(in crate::store) const BLOCK_BYTES: usize = 4096;

/// The buffers of one ring.
pub(in crate::store) struct Buffers {
    pool: FixedBufPool<Part>,
    is_registered: bool,
    /// How many uploads wait for a buffer.
    waiting: watch::Sender<usize>,
}

impl Buffers {
    /// Creates the pool. Must be called once per ring, on its thread.
    pub(super) fn new() -> Buffers {
        let pool = FixedBufPool::new(Part::all());
        let registered = pool.register();
        if let Err(error) = &registered {
            log_once(error);
        }
        Buffers {
            pool,
            is_registered: registered.is_ok(),
            waiting: watch::Sender::new(0),
        }
    }

    /// A buffer of [`BUFFER_BYTES`]; waits until one is free.
    pub(in crate::store) async fn take(&self) -> Buffer {
        if let Some(buffer) = self.pool.try_next(BUFFER_BYTES) {
            return buffer;
        }
        let _waiting = Waiting::new(&self.waiting);
        self.pool.next(BUFFER_BYTES).await
    }

    /// How many uploads wait for a buffer.
    pub(in crate::store) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    pub(super) fn is_registered(&self) -> bool {
        self.is_registered
    }
}

impl std::fmt::Debug for Buffers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffers")
            .field("is_registered", &self.is_registered)
            .finish_non_exhaustive()
    }
}

fn log_once(error: &io::Error) {
    static LOGGED: Once = Once::new();
    LOGGED.call_once(|| {
        warn!(
            "cannot register buffers ({error}): uploads use more CPU time; allow {} MiB of locked memory (LimitMEMLOCK=)",
            BUFFERS * BUFFER_BYTES / (1 << 20) + 2
        );
    });
}

/// Counts as waiting until dropped.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Waiting<'_> {
    fn new(waiting: &watch::Sender<usize>) -> Waiting<'_> {
        waiting.send_modify(|count| *count += 1);
        Waiting(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The memory of all buffers: zeroed, and in huge pages if available, so that a
/// buffer is physically contiguous and not split per 4 KiB page.
struct Memory(NonNull<u8>);

impl Memory {
    const LAYOUT: Layout = match Layout::from_size_align(BUFFERS * BUFFER_BYTES, HUGE_PAGE_BYTES) {
        Ok(layout) => layout,
        Err(_) => panic!("the size of the buffers is a multiple of the huge page size"),
    };

    fn new() -> Memory {
        // SAFETY: the layout is not empty.
        #[allow(unsafe_code)]
        let memory = unsafe { alloc(Memory::LAYOUT) };
        let Some(memory) = NonNull::new(memory) else {
            handle_alloc_error(Memory::LAYOUT);
        };
        let bytes = Memory::LAYOUT.size();
        // SAFETY: the memory was allocated above with this size. The advice is
        // given before the memory is touched; it is only an optimization.
        #[allow(unsafe_code)]
        unsafe {
            let _ = madvise(memory.cast(), bytes, MmapAdvise::MADV_HUGEPAGE);
            memory.write_bytes(0, bytes);
        }
        Memory(memory)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with the same layout, freed once.
        #[allow(unsafe_code)]
        unsafe {
            dealloc(self.0.as_ptr(), Memory::LAYOUT);
        }
    }
}

/// The part of the memory that is one buffer.
struct Part {
    start: NonNull<u8>,
    _memory: Rc<Memory>,
}

impl Part {
    fn all() -> impl Iterator<Item = Part> {
        let memory = Rc::new(Memory::new());
        (0..BUFFERS).map(move |number| Part {
            // SAFETY: within the allocation.
            #[allow(unsafe_code)]
            start: unsafe { memory.0.add(number * BUFFER_BYTES) },
            _memory: Rc::clone(&memory),
        })
    }
}

// SAFETY: the memory stays where it is until it is dropped, and all of it is
// initialised from the beginning.
#[allow(unsafe_code)]
unsafe impl IoBuf for Part {
    fn stable_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        BUFFER_BYTES
    }

    fn bytes_total(&self) -> usize {
        BUFFER_BYTES
    }
}

// SAFETY: as above; `self` is the only owner.
#[allow(unsafe_code)]
unsafe impl IoBufMut for Part {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    unsafe fn set_init(&mut self, _bytes: usize) {}
}
