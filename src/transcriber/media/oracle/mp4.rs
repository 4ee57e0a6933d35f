//! Inserts edit lists into mp4 files with `moov` after the data.

/// The file with an edit list of these entries: duration in the movie's units,
/// media time in the track's units; -1 for silence.
pub fn with_edits(file: &[u8], edits: &[(u32, i32)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in boxes(file) {
        match name {
            b"moov" => put(&mut out, name, &with_edits_in_moov(content, edits)),
            _ => put(&mut out, name, content),
        }
    }
    out
}

fn with_edits_in_moov(movie: &[u8], edits: &[(u32, i32)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in boxes(movie) {
        match name {
            b"trak" => put(&mut out, name, &with_edits_in_track(content, edits)),
            _ => put(&mut out, name, content),
        }
    }
    out
}

fn with_edits_in_track(track: &[u8], edits: &[(u32, i32)]) -> Vec<u8> {
    let mut list = vec![0; 4];
    list.extend_from_slice(&(edits.len() as u32).to_be_bytes());
    for (duration, start) in edits {
        list.extend_from_slice(&duration.to_be_bytes());
        list.extend_from_slice(&start.to_be_bytes());
        list.extend_from_slice(&[0, 1, 0, 0]);
    }
    let mut container = Vec::new();
    put(&mut container, b"elst", &list);
    let mut out = Vec::new();
    for (name, content) in boxes(track) {
        match name {
            b"edts" => {}
            b"mdia" => {
                put(&mut out, b"edts", &container);
                put(&mut out, name, content);
            }
            _ => put(&mut out, name, content),
        }
    }
    out
}

/// Types and contents of boxes with 32-bit sizes.
fn boxes(mut bytes: &[u8]) -> Vec<(&[u8; 4], &[u8])> {
    let mut boxes = Vec::new();
    while let Some((head, _)) = bytes.split_first_chunk::<8>() {
        let size = u32::from_be_bytes(*head.first_chunk().unwrap()) as usize;
        boxes.push((bytes[4..].first_chunk().unwrap(), &bytes[8..size]));
        bytes = &bytes[size..];
    }
    boxes
}

fn put(out: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    out.extend_from_slice(&(content.len() as u32 + 8).to_be_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(content);
}
