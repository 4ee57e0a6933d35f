//! What must not suffer from others: a client that uploads all the while, the
//! daemon's memory, and everything outside its state directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::daemon::Daemon;
use crate::idle::number_of;
use crate::random::{Random, letters};
use crate::tus::Upload;

const UPLOAD_BYTES: usize = 300_000;
const PIECE_BYTES: usize = 70_000;

/// A client that uploads one recording after the other, and the daemon it does so to.
pub struct Honest {
    stop: Arc<AtomicBool>,
    uploading: JoinHandle<usize>,
    outside: BTreeMap<PathBuf, u64>,
}

impl Honest {
    /// Begins.
    pub fn beside(daemon: &Daemon) -> Honest {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, state_dir) = (daemon.address(), daemon.state_dir());
        let is_over = Arc::clone(&stop);
        let uploading = thread::spawn(move || {
            let mut count = 0;
            while count == 0 || !is_over.load(Ordering::Relaxed) {
                let content = letters(UPLOAD_BYTES, &mut Random::new(count as u64));
                let upload = Upload::create(address, content.len(), &[]);
                for piece in (0..UPLOAD_BYTES).step_by(PIECE_BYTES) {
                    let end = UPLOAD_BYTES.min(piece + PIECE_BYTES);
                    let answer = upload.patch(piece, &content[piece..end]).unwrap();
                    let answer = answer.expect(204, "an honest client's PATCH");
                    assert_eq!(answer.number("upload-offset"), Some(end as u64));
                }
                let data = state_dir.join("uploads").join(upload.id()).join("data");
                assert!(fs::read(data).unwrap() == content, "other bytes");
                count += 1;
            }
            count
        });
        Honest {
            stop,
            uploading,
            outside: outside(daemon),
        }
    }

    /// Ends, and tells what suffered: nothing may.
    pub fn unharmed(self, daemon: &mut Daemon, memory_max_kib: u64) {
        self.stop.store(true, Ordering::Relaxed);
        let uploads = self.uploading.join().expect("an honest client is served");
        let peak_kib = peak_kib(daemon);
        println!("{uploads} honest uploads beside, peak memory {peak_kib} KiB");
        assert!(peak_kib < memory_max_kib, "{peak_kib} KiB");
        assert_eq!(outside(daemon), self.outside, "files of others");
        daemon.assert_alive();
        let said = daemon.said();
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// Most memory that the daemon ever had.
pub fn peak_kib(daemon: &Daemon) -> u64 {
    let status = format!("/proc/{}/status", daemon.pid());
    number_of(Path::new(&status), "VmHWM:")
}

/// All files beside the state directory, and their sizes.
fn outside(daemon: &Daemon) -> BTreeMap<PathBuf, u64> {
    let state_dir = daemon.state_dir();
    let mut files = BTreeMap::new();
    let mut folders = vec![state_dir.parent().unwrap().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() && path != state_dir {
                folders.push(path.clone());
            }
            let is_ours = path == state_dir;
            files.insert(
                path,
                if is_ours {
                    0
                } else {
                    entry.metadata().unwrap().len()
                },
            );
        }
    }
    files
}
