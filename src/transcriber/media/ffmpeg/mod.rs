//! A second decoder: Debian's `ffmpeg`, run as a child of this process, for
//! what the decoders in this program cannot read (AMR, WMA, AVI, transport
//! streams, AC-3 and whatever else a recorder makes).
//!
//! **Input is a pipe, for every version.** The recording is a descriptor that may
//! not be opened again (it belongs to another user) and may be preallocated beyond
//! its end. ffmpeg 5.1 (Debian 12) cannot seek in a descriptor: `/proc/self/fd/0`
//! is refused ("Permission denied"), `cache:` copies the recording to a disk that
//! the engine does not have, and `fd:` came with 6.0; in 7.1 (Debian 13) `fd:` works
//! but reads beyond the end, for `subfile` refuses to wrap it. From a pipe both read
//! all of the formats tried (see the tests; AVI that is not interleaved included)
//! but two: mp4/mov/3gp with `moov` behind `mdat`, and CAF with its packet table
//! behind its data. Those are handed over in another order, see [`reorder`].
//!
//! **Output is Matroska**, not WAV: each block of samples comes with its time, so
//! that gaps become silence and overlaps are cut here, in constant memory
//! (`aresample=async` keeps the silence of a gap in memory: 2.3 GB for one hour
//! of six channels).
//!
//! **The child is confined** further than this process, see [`confine`].

mod arguments;
mod confine;
mod description;
mod feed;
/// Doors for hostile bytes.
#[cfg(any(test, fuzzing))]
#[path = "../../../../tests/fuzz/harnesses/media/ffmpeg.rs"]
pub mod fuzzing;
mod layout;
mod matroska;
mod messages;
mod process;
mod reorder;
mod timeline;
mod transcoder;

pub use arguments::Options;
pub use description::{Input, Track};
pub use transcoder::{Step, Transcoder};

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Where Debian's package puts it.
const PROGRAM: &str = "/usr/bin/ffmpeg";

/// The `ffmpeg` of this machine that may be run: Debian's, else the first one in
/// `PATH`; `None` if there is none.
pub fn program() -> Option<PathBuf> {
    #[cfg(any(test, fuzzing))]
    if IS_ABSENT.get() {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(PathBuf::from(PROGRAM))
        .chain(std::env::split_paths(&path).map(|folder| folder.join("ffmpeg")))
        .find(|candidate| candidate.is_absolute() && is_program(candidate))
}

#[cfg(any(test, fuzzing))]
thread_local! {
    static IS_ABSENT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// While `act` runs this thread finds no ffmpeg: what our own readers make of a
/// file is to be seen.
#[cfg(any(test, fuzzing))]
pub fn without<T>(act: impl FnOnce() -> T) -> T {
    let before = IS_ABSENT.replace(true);
    let result = act();
    IS_ABSENT.set(before);
    result
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}
