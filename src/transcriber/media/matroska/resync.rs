//! Resynchronisation after damage.

use std::io;

use super::super::forward::{AHEAD_MAX_BYTES, Forward};
use super::block::{self, BlockHeader};
use super::ebml::{self, Ahead, ElementHeader};
use super::ids;

/// Bytes searched in one step.
const STEP_BYTES: u64 = 1024 * 1024;

/// The list of tracks is searched within this many bytes.
const TRACKS_SEARCH_BYTES: u64 = 4 * 1024 * 1024;

/// Larger blocks cannot be verified by the element that follows.
const BLOCK_MAX_BYTES: usize = AHEAD_MAX_BYTES / 2;

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchResult {
    /// The input is at an element.
    Element,
    NothingYet,
    End,
}

/// Header of the block in the SimpleBlock or BlockGroup at the current position,
/// and its offset from there; consumes nothing.
pub fn block_ahead(
    input: &mut Forward,
    element: ElementHeader,
) -> io::Result<Option<(BlockHeader, usize)>> {
    let wanted = element.header_bytes + ebml::HEADER_MAX_BYTES + block::HEADER_MAX_BYTES;
    let mut offset = element.header_bytes;
    if element.id == ids::BLOCK_GROUP {
        // A CRC-32 or Void element may come first.
        for _ in 0..4 {
            let bytes = input.peek(offset + wanted)?;
            let Some(child) = bytes.get(offset..).and_then(ebml::header) else {
                return Ok(None);
            };
            offset += child.header_bytes;
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
    let header = bytes.get(offset..).and_then(BlockHeader::parse);
    Ok(header.map(|header| (header, offset)))
}

/// Searches a bounded part of a damaged file for the list of tracks.
pub fn find_tracks(input: &mut Forward) -> io::Result<bool> {
    let start = input.position();
    while input.position() - start < TRACKS_SEARCH_BYTES {
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

/// Searches for the next cluster, the next EBML header or, within the cluster, a
/// block of a known track that is followed by an element.
pub fn resync(input: &mut Forward, is_track: impl Fn(u64) -> bool) -> io::Result<SearchResult> {
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
            return Ok(SearchResult::End);
        }
        input.consume(passed);
        if candidate.is_some() {
            if is_readable(input, &is_track)? {
                return Ok(SearchResult::Element);
            }
            input.consume(1);
        }
    }
    Ok(SearchResult::NothingYet)
}

fn is_readable(input: &mut Forward, is_track: &impl Fn(u64) -> bool) -> io::Result<bool> {
    let Ahead::Element(header) = ebml::ahead(input)? else {
        return Ok(false);
    };
    let left_bytes = input.left_bytes().unwrap_or(u64::MAX);
    Ok(match header.id {
        ids::CLUSTER | ids::EBML => true,
        ids::SIMPLE_BLOCK | ids::BLOCK_GROUP => {
            let Some(size_bytes) = header.size_bytes else {
                return Ok(false);
            };
            if size_bytes.saturating_add(header.header_bytes as u64) > left_bytes
                || size_bytes > BLOCK_MAX_BYTES as u64
            {
                return Ok(false);
            }
            match block_ahead(input, header)? {
                Some((block, _)) if is_track(block.track) => {}
                _ => return Ok(false),
            }
            let next = header.header_bytes + size_bytes as usize;
            let bytes = input.peek(next + ebml::HEADER_MAX_BYTES)?;
            match bytes.get(next..) {
                Some([]) => true,
                Some(behind) => ebml::header(behind).is_some_and(|header| {
                    matches!(
                        header.id,
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
