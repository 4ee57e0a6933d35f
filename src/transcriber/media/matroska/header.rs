//! What comes before the first cluster: EBML header, Segment, Info and Tracks.

use super::super::MediaError;
use super::super::forward::Forward;
use super::ebml::{self, Ahead, ElementHeader};
use super::tracks::Tracks;
use super::{ids, resync};

/// Limits of the EBML header and of the list of tracks; larger ones are damaged.
const EBML_HEADER_MAX_BYTES: u64 = 64 * 1024;
const TRACKS_MAX_BYTES: u64 = 16 * 1024 * 1024;
const INFO_MAX_BYTES: u64 = 64 * 1024;

/// Most elements before the list of tracks.
const ELEMENTS_BEFORE_TRACKS_MAX: usize = 1_000_000;

const DEFAULT_SCALE_NS: u64 = 1_000_000;

/// The parsed header of a file.
pub struct FileHeader {
    /// `mkv` or `webm`.
    pub container: &'static str,
    /// The tracks.
    pub tracks: Tracks,
    /// Nanoseconds per tick of a timestamp.
    pub scale_ns: u64,
    /// End of the segment, in bytes from the start of the file.
    pub segment_end: Option<u64>,
    /// Whether the segment extends beyond the end of the file.
    pub claims_more: bool,
}

impl FileHeader {
    /// Reads up to the first cluster.
    pub fn read(input: &mut Forward) -> Result<Self, MediaError> {
        let mut file = Self {
            container: "mkv",
            tracks: Tracks::default(),
            scale_ns: DEFAULT_SCALE_NS,
            segment_end: None,
            claims_more: false,
        };
        let mut first_cluster = None;
        let mut duration_ticks = None;
        let mut found = false;
        for index in 0..ELEMENTS_BEFORE_TRACKS_MAX {
            let header = match ebml::ahead(input)? {
                Ahead::Element(header) => header,
                Ahead::End => break,
                Ahead::Invalid => {
                    input.consume(1);
                    if resync::find_tracks(input)? {
                        continue;
                    }
                    return Err(damaged("its EBML header is damaged"));
                }
            };
            if header.id == ids::CLUSTER {
                if found {
                    break;
                }
                // No list of tracks yet; it may follow.
                first_cluster.get_or_insert(input.position());
            }
            if header.id == ids::EBML && index > 0 {
                break;
            }
            input.consume(header.header_bytes);
            match header.id {
                ids::EBML => {
                    let content = content(input, header, EBML_HEADER_MAX_BYTES, "EBML header")?;
                    let doc_type = ebml::children(&content)
                        .find(|(id, _)| *id == ids::DOC_TYPE)
                        .map(|(_, body)| ebml::string(body));
                    if doc_type.as_deref() == Some("webm") {
                        file.container = "webm";
                    }
                }
                ids::SEGMENT => {
                    let size_bytes = header.size_bytes;
                    file.segment_end =
                        size_bytes.map(|size_bytes| input.position().saturating_add(size_bytes));
                }
                ids::CLUSTER if header.size_bytes.is_none() => {}
                ids::INFO => {
                    let content = content(input, header, INFO_MAX_BYTES, "description")?;
                    for (id, body) in ebml::children(&content) {
                        match id {
                            ids::TIMESTAMP_SCALE => file.scale_ns = ebml::unsigned(body).max(1),
                            ids::DURATION => duration_ticks = Some(ebml::float(body)),
                            _ => {}
                        }
                    }
                }
                ids::TRACKS if !found => {
                    let content = content(input, header, TRACKS_MAX_BYTES, "list of tracks")?;
                    file.tracks = Tracks::parse(&content);
                    found = true;
                    if first_cluster.is_some() {
                        break;
                    }
                }
                _ => {
                    let left_bytes = input.left_bytes().unwrap_or(u64::MAX);
                    match header.size_bytes {
                        Some(size_bytes) if size_bytes <= left_bytes => {
                            input.skip(size_bytes)?;
                        }
                        _ if resync::find_tracks(input)? => {}
                        _ => break,
                    }
                }
            }
        }
        if !found {
            return Err(match input.peek(1)? {
                [] => MediaError::Truncated,
                _ => damaged("it has no list of tracks"),
            });
        }
        if let Some(position) = first_cluster {
            input.go_to(position)?;
        }
        file.claims_more = file
            .segment_end
            .is_some_and(|end| end > input.position() + input.left_bytes().unwrap_or(0));
        if let (true, Some(ticks)) = (file.tracks.is_single(), duration_ticks) {
            file.set_duration(input, ticks * file.scale_ns as f64 / 1e9)?;
        }
        Ok(file)
    }

    /// Uses the Duration of the segment, which is that of its longest track
    /// counted from timestamp 0, only if there is a single track and the file has
    /// the claimed size. Called at the first cluster.
    fn set_duration(&mut self, input: &mut Forward, duration_s: f64) -> Result<(), MediaError> {
        if self.claims_more {
            return Ok(());
        }
        let Ahead::Element(header) = ebml::ahead(input)? else {
            return Ok(());
        };
        let content = input.peek(64)?.get(header.header_bytes..).unwrap_or(&[]);
        let first_ticks = ebml::children(content)
            .find(|(id, _)| *id == ids::TIMESTAMP)
            .map_or(0, |(_, body)| ebml::unsigned(body));
        let first_s = first_ticks as f64 * self.scale_ns as f64 / 1e9;
        let duration_s = duration_s - first_s;
        if duration_s > 0.0 && duration_s.is_finite() {
            self.tracks.tracks[0].duration_s = Some(duration_s);
        }
        Ok(())
    }
}

/// Reads the content of an element that is kept in memory.
fn content(
    input: &mut Forward,
    header: ElementHeader,
    max_bytes: u64,
    what: &str,
) -> Result<Vec<u8>, MediaError> {
    match header.size_bytes {
        Some(size_bytes) if size_bytes <= max_bytes => {
            let content = input.take_up_to(size_bytes as usize)?;
            if (content.len() as u64) < size_bytes {
                return Err(MediaError::Truncated);
            }
            Ok(content)
        }
        Some(size_bytes) => Err(damaged(&format!("its {what} claims {size_bytes} bytes"))),
        None => Err(damaged(&format!("its {what} has no size"))),
    }
}

fn damaged(what: &str) -> MediaError {
    MediaError::Damaged(what.to_owned())
}
