//! Duration of an Ogg file, from its last pages.

use std::io;

use super::link::{Kind, Link};
use super::page::{PAGE_MAX_BYTES, PageEvent, Pages};
use crate::media::Source;

/// Bytes read at each position: at least one page.
const WINDOW_BYTES: u64 = PAGE_MAX_BYTES as u64;

/// Number of positions that are examined between the start and the end of the
/// file. Files that were joined may have the same serial numbers, so that the
/// last page gives the duration of one part only; but then their granule
/// positions do not increase from position to position.
const WINDOWS: u64 = 8;

/// The end of each stream of `link` on the timeline of the recording, `None` if
/// uncertain; `link` is the first one of the file and begins at `offset_bytes`.
pub fn ends_s(source: &Source, link: &Link, offset_bytes: u64) -> io::Result<Vec<Option<f64>>> {
    let unsure = vec![None; link.streams.len()];
    let mut ends_s: Vec<Option<f64>> = unsure.clone();
    let mut at_beginning = true;
    for (from_bytes, to_bytes) in windows(offset_bytes, source.size_bytes()) {
        let mut pages = Pages::new(source.again(), from_bytes)?;
        while pages.offset_bytes() < to_bytes {
            let page = match pages.next()? {
                PageEvent::Page(page) => page,
                PageEvent::Damaged | PageEvent::Junk { .. } => continue,
                PageEvent::End => break,
            };
            at_beginning &= page.is_first();
            let stream = link
                .streams
                .iter()
                .position(|stream| stream.serial == page.serial);
            let Some(stream) = stream.filter(|_| at_beginning || !page.is_first()) else {
                return Ok(unsure);
            };
            let Kind::Audio(audio) = &link.streams[stream].kind else {
                continue;
            };
            if let Some(end_s) = audio.page_end_s(&page) {
                let end_s = end_s - link.zero_s;
                if ends_s[stream].is_some_and(|before| end_s < before) {
                    return Ok(unsure);
                }
                ends_s[stream] = Some(end_s);
            }
        }
    }
    Ok(ends_s
        .into_iter()
        .map(|end_s| end_s.filter(|end_s| *end_s > 0.0))
        .collect())
}

/// Start and end of the examined byte ranges.
fn windows(offset_bytes: u64, size_bytes: u64) -> Vec<(u64, u64)> {
    let length_bytes = size_bytes.saturating_sub(offset_bytes);
    if length_bytes <= WINDOWS * WINDOW_BYTES {
        return vec![(offset_bytes, size_bytes)];
    }
    let last_bytes = length_bytes - WINDOW_BYTES;
    (0..WINDOWS - 1)
        .map(|window| offset_bytes + last_bytes / (WINDOWS - 1) * window)
        .map(|from_bytes| (from_bytes, from_bytes + WINDOW_BYTES))
        .chain([(size_bytes - WINDOW_BYTES, size_bytes)])
        .collect()
}
