//! Many copies of one upload's folder, made beside the daemon and without
//! knowing what its files mean: only the id is another one in each.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

use uuid::Uuid;

const THREADS: usize = 2;

/// A file system may allow no more links to a file than this.
const LINKS_MAX: usize = 30_000;

/// Which files of a folder may be one file with many names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// All that do not name the id: for what is only read.
    Linked,
    /// None, so that each has its own lock.
    Separate,
}

/// Copies the folder of upload `id`, `count` times; the new ids.
pub fn copy_upload(folder: &Path, count: usize, sharing: Sharing) -> Vec<Uuid> {
    let files = read(folder);
    thread::scope(|scope| {
        let copying: Vec<_> = (0..THREADS)
            .map(|part| {
                let count = (count + part) / THREADS;
                let files = &files;
                scope.spawn(move || copy_part(folder, files, count, sharing))
            })
            .collect();
        let ids = copying.into_iter().map(|part| part.join().unwrap());
        ids.flatten().collect()
    })
}

fn copy_part(folder: &Path, files: &[Content], count: usize, sharing: Sharing) -> Vec<Uuid> {
    let uploads = folder.parent().unwrap();
    let mut shared: Option<PathBuf> = None;
    (0..count)
        .map(|number| {
            let id = Uuid::new_v4();
            let copy = uploads.join(id.to_string());
            fs::create_dir(&copy).unwrap();
            let first = shared.as_deref().filter(|_| number % LINKS_MAX != 0);
            for file in files {
                let to = copy.join(&file.name);
                match first {
                    Some(first) if sharing == Sharing::Linked && file.parts.is_empty() => {
                        fs::hard_link(first.join(&file.name), to).unwrap();
                    }
                    _ => file.write(&to, id).unwrap(),
                }
            }
            if first.is_none() {
                shared = Some(copy);
            }
            id
        })
        .collect()
}

/// A file of the folder.
struct Content {
    name: String,
    bytes: Vec<u8>,
    /// Its text around each mention of the id, empty if there is none.
    parts: Vec<String>,
}

impl Content {
    fn write(&self, to: &Path, id: Uuid) -> io::Result<()> {
        if !self.parts.is_empty() {
            return fs::write(to, self.parts.join(&id.to_string()));
        }
        // With holes where there are only zeros.
        let file = File::create(to)?;
        file.set_len(self.bytes.len() as u64)?;
        const BLOCK_BYTES: usize = 4096;
        for (number, block) in self.bytes.chunks(BLOCK_BYTES).enumerate() {
            if block.iter().any(|&byte| byte != 0) {
                file.write_all_at(block, (number * BLOCK_BYTES) as u64)?;
            }
        }
        Ok(())
    }
}

fn read(folder: &Path) -> Vec<Content> {
    let id = folder.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(folder).unwrap();
    let content = entries.map(|entry| {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let mut parts: Vec<String> = match str::from_utf8(&bytes) {
            Ok(text) => text.split(id).map(str::to_owned).collect(),
            Err(_) => Vec::new(),
        };
        if parts.len() < 2 {
            parts.clear();
        }
        Content {
            name: entry.file_name().into_string().unwrap(),
            bytes,
            parts,
        }
    });
    content.collect()
}
