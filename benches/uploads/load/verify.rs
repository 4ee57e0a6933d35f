//! After the load, untimed: does the server say, and do its files hold, what
//! was uploaded?

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::connection::Connection;
use super::pattern::Pattern;
use super::target::Target;
use super::upload::Upload;

/// Fails on the first upload that is not complete and right. Servers keep an
/// upload in a file, or in a folder, that bears its id.
pub fn verify(
    target: &Target,
    pattern: &Pattern,
    uploads: &[Upload],
    data: &Path,
) -> io::Result<()> {
    let mut files = HashMap::new();
    collect(data, &mut files)?;
    let mut connection = Connection::to(target.address);
    for upload in uploads {
        let said = upload.ask(&mut connection)?;
        let candidates = files.get(upload.id()).into_iter().flatten();
        let file = candidates.into_iter().find(|(_, len)| *len == upload.size);
        let (Some((file, _)), true) = (file, said == upload.size) else {
            return Err(io::Error::other(format!(
                "upload {} is not whole: the server says {said} of {}",
                upload.number, upload.size
            )));
        };
        compare(pattern, upload.number, file, upload.size)?;
    }
    Ok(())
}

/// The same for an upload that is not complete: what was acknowledged of it.
pub fn prefix(pattern: &Pattern, upload: &Upload, data: &Path) -> io::Result<()> {
    let mut files = HashMap::new();
    collect(data, &mut files)?;
    let candidates = files.get(upload.id()).into_iter().flatten();
    let file = candidates.max_by_key(|(_, len)| *len);
    let (file, _) = file.ok_or_else(|| io::Error::other("its file is not there"))?;
    compare(pattern, upload.number, file, upload.offset)
}

/// Every file with its length, by its own name and by its folder's.
fn collect(folder: &Path, files: &mut HashMap<String, Vec<(PathBuf, u64)>>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            let len = entry.metadata()?.len();
            let names = [Some(entry.file_name()), folder.file_name().map(Into::into)];
            for name in names.into_iter().flatten() {
                let found = files
                    .entry(name.to_string_lossy().into_owned())
                    .or_default();
                found.push((entry.path(), len));
            }
        }
    }
    Ok(())
}

fn compare(pattern: &Pattern, number: usize, path: &Path, len: u64) -> io::Result<()> {
    let mut file = File::open(path)?.take(len);
    let mut piece = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return match offset == len {
                true => Ok(()),
                false => Err(io::Error::other(format!(
                    "upload {number} has {offset} of {len} bytes"
                ))),
            };
        }
        if !pattern.matches(number, offset, &piece[..read]) {
            return Err(io::Error::other(format!(
                "upload {number} differs within {offset}..{}",
                offset + read as u64
            )));
        }
        offset += read as u64;
    }
}
