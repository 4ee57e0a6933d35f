//! Writes the recording to the child.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const CHUNK_BYTES: usize = 64 * 1024;

/// A thread that copies the recording to the child's standard input. It ends with
/// the recording or the child; it is not joined.
#[derive(Clone, Default)]
pub struct Feed(Arc<State>);

#[derive(Default)]
struct State {
    bytes: AtomicU64,
    is_reading: AtomicBool,
    error: std::sync::Mutex<Option<io::Error>>,
}

impl Feed {
    /// Copies `recording` to its end.
    pub fn start(
        mut recording: impl Read + Send + 'static,
        mut stdin: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let feed = Self::default();
        let state = feed.0.clone();
        thread::Builder::new()
            .name("ffmpeg-feed".to_owned())
            .spawn(move || {
                let mut chunk = vec![0; CHUNK_BYTES];
                loop {
                    state.is_reading.store(true, Ordering::Relaxed);
                    let read = recording.read(&mut chunk);
                    state.is_reading.store(false, Ordering::Relaxed);
                    match read {
                        Ok(0) => return,
                        // The child has read enough or has exited.
                        Ok(count) if stdin.write_all(&chunk[..count]).is_err() => return,
                        Ok(count) => {
                            state.bytes.fetch_add(count as u64, Ordering::Relaxed);
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => {
                            if let Ok(mut slot) = state.error.lock() {
                                *slot = Some(error);
                            }
                            return;
                        }
                    }
                }
            })?;
        Ok(feed)
    }

    /// Bytes that the child has read.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Whether the thread is reading from the disk, so that the child may be
    /// waiting for it.
    pub fn is_reading(&self) -> bool {
        self.0.is_reading.load(Ordering::Relaxed)
    }

    /// Why the recording could not be read to its end.
    pub fn take_error(&self) -> Option<io::Error> {
        self.0.error.lock().ok()?.take()
    }
}
