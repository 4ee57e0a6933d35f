//! After damage: the next place from which a file can be read.

use std::io;

use super::super::forward::{AHEAD_MAX_BYTES, Forward};
use super::block::{self, BlockHead};
use super::ebml::{self, Ahead, Head};
use super::ids;

/// Bytes that one step searches.
const STEP_BYTES: u64 = 1024 * 1024;

/// So far on is the list of tracks looked for.
const HEAD_SEARCH_BYTES: u64 = 4 * 1024 * 1024;

/// Larger blocks are not recognised by what follows them.
const BLOCK_MAX_BYTES: usize = AHEAD_MAX_BYTES / 2;

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The input is at an element.
    Place,
    NothingYet,
    End,
}

/// Head of the block in the SimpleBlock or BlockGroup at the current place, and
/// where it is behind that place; takes nothing.
pub fn block_ahead(input: &mut Forward, element: Head) -> io::Result<Option<(BlockHead, usize)>> {
    let wanted = element.head_bytes + ebml::HEAD_MAX_BYTES + block::HEAD_MAX_BYTES;
    let mut offset = element.head_bytes;
    if element.id == ids::BLOCK_GROUP {
        // A checksum or filling may come first.
        for _ in 0..4 {
            let bytes = input.peek(offset + wanted)?;
            let Some(child) = bytes.get(offset..).and_then(ebml::head) else {
                return Ok(None);
            };
            offset += child.head_bytes;
            if child.id == ids::BLOCK {
                break;
            }
            match child.size_bytes {
                Some(size_bytes) if size_bytes < 4096 => offset += size_bytes as usize,
                _ => return Ok(None),
            }
        }
    }
    let bytes = input.peek(offset + wanted)?;
    let head = bytes.get(offset..).and_then(BlockHead::parse);
    Ok(head.map(|head| (head, offset)))
}

/// In a damaged head: searches on for the list of tracks, a bounded way.
pub fn find_tracks(input: &mut Forward) -> io::Result<bool> {
    let start = input.position();
    while input.position() - start < HEAD_SEARCH_BYTES {
        let ahead = input.peek(AHEAD_MAX_BYTES / 2)?;
        let found = ahead
            .windows(4)
            .position(|bytes| bytes == ids::TRACKS.to_be_bytes());
        let passed = found.unwrap_or(ahead.len().saturating_sub(3));
        if passed == 0 && found.is_none() {
            return Ok(false);
        }
        input.consume(passed);
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Searches on for the next cluster, the next head of a file or, within the
/// cluster, a block of a known track that another element follows.
pub fn resync(input: &mut Forward, is_track: impl Fn(u64) -> bool) -> io::Result<Found> {
    let start = input.position();
    while input.position() - start < STEP_BYTES {
        let ahead = input.peek(AHEAD_MAX_BYTES / 2)?;
        let candidate = ahead.iter().position(|byte| {
            matches!(u32::from(*byte), ids::SIMPLE_BLOCK | ids::BLOCK_GROUP)
                || *byte == ids::CLUSTER.to_be_bytes()[0]
                || *byte == ids::EBML.to_be_bytes()[0]
        });
        let passed = candidate.unwrap_or(ahead.len());
        if ahead.is_empty() {
            return Ok(Found::End);
        }
        input.consume(passed);
        if candidate.is_some() {
            if is_readable(input, &is_track)? {
                return Ok(Found::Place);
            }
            input.consume(1);
        }
    }
    Ok(Found::NothingYet)
}

fn is_readable(input: &mut Forward, is_track: &impl Fn(u64) -> bool) -> io::Result<bool> {
    let Ahead::Element(head) = ebml::ahead(input)? else {
        return Ok(false);
    };
    let left_bytes = input.left_bytes().unwrap_or(u64::MAX);
    Ok(match head.id {
        ids::CLUSTER | ids::EBML => true,
        ids::SIMPLE_BLOCK | ids::BLOCK_GROUP => {
            let Some(size_bytes) = head.size_bytes else {
                return Ok(false);
            };
            if size_bytes.saturating_add(head.head_bytes as u64) > left_bytes
                || size_bytes > BLOCK_MAX_BYTES as u64
            {
                return Ok(false);
            }
            match block_ahead(input, head)? {
                Some((block, _)) if is_track(block.track) => {}
                _ => return Ok(false),
            }
            let next = head.head_bytes + size_bytes as usize;
            let bytes = input.peek(next + ebml::HEAD_MAX_BYTES)?;
            match bytes.get(next..) {
                Some([]) => true,
                Some(behind) => ebml::head(behind).is_some_and(|head| {
                    matches!(
                        head.id,
                        ids::SIMPLE_BLOCK
                            | ids::BLOCK_GROUP
                            | ids::CLUSTER
                            | ids::CUES
                            | ids::TAGS
                            | ids::EBML
                    )
                }),
                None => false,
            }
        }
        _ => false,
    })
}
