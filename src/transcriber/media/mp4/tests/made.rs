//! Builds files box by box.

/// A box with this content.
pub fn boxed(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let size = (content.len() + 8) as u32;
    [&size.to_be_bytes()[..], kind, &content].concat()
}

pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An audio sample entry: its type, version, channels, bits, rate and the rest.
pub fn sound(kind: &[u8; 4], numbers: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let [version, channels, bits, rate] = numbers;
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    for half in [version, 0, 0, 0, channels, bits, 0, 0, rate, 0] {
        body.extend_from_slice(&half.to_be_bytes());
    }
    boxed(kind, &[&body, rest])
}

/// The tables of an audio track.
#[derive(Clone)]
pub struct Made {
    pub timescale: u32,
    pub list_version: u8,
    pub entries: Vec<Vec<u8>>,
    /// Sample count and duration pairs.
    pub times: Vec<u32>,
    /// First chunk, samples per chunk, entry.
    pub chunks: Vec<u32>,
    /// Common size, count, sizes.
    pub sizes: Vec<u32>,
    /// Relative to the start of the data.
    pub chunk_offsets: Vec<u32>,
    pub data: Vec<u8>,
}

impl Made {
    pub fn track(&self, shift: u32) -> Vec<u8> {
        let chunk_offsets: Vec<u32> = self
            .chunk_offsets
            .iter()
            .map(|offset| offset.wrapping_add(shift))
            .collect();
        let list = |kind, per_entry: usize, table: &[u32]| {
            let count = (table.len() / per_entry) as u32;
            boxed(kind, &[&words(&[0, count]), &words(table)])
        };
        let descriptions = boxed(
            b"stsd",
            &[
                &words(&[
                    u32::from(self.list_version) << 24,
                    self.entries.len() as u32,
                ]),
                &self.entries.concat(),
            ],
        );
        let tables = boxed(
            b"stbl",
            &[
                &descriptions,
                &list(b"stts", 2, &self.times),
                &list(b"stsc", 3, &self.chunks),
                &boxed(b"stsz", &[&words(&[0]), &words(&self.sizes)]),
                &list(b"stco", 1, &chunk_offsets),
            ],
        );
        let media = boxed(
            b"mdia",
            &[
                &boxed(b"mdhd", &[&words(&[0, 0, 0, self.timescale, 0, 0])]),
                &boxed(b"hdlr", &[&words(&[0, 0]), b"soun", &words(&[0, 0, 0])]),
                &boxed(b"minf", &[&tables]),
            ],
        );
        boxed(
            b"trak",
            &[&boxed(b"tkhd", &[&words(&[1, 0, 0, 1, 0, 0])]), &media],
        )
    }

    pub fn file(&self) -> Vec<u8> {
        let header = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0])]);
        let contents = |shift| boxed(b"moov", &[&header, &self.track(shift)]);
        let shift = contents(0).len() as u32 + 8;
        [contents(shift), boxed(b"mdat", &[&self.data])].concat()
    }

    /// One PCM entry whose data is in one chunk.
    pub fn pcm(entry: Vec<u8>, frames: u32, data: Vec<u8>) -> Self {
        Self {
            timescale: 8000,
            list_version: 0,
            entries: vec![entry],
            times: vec![frames, 1],
            chunks: vec![1, frames, 1],
            sizes: vec![1, frames],
            chunk_offsets: vec![0],
            data,
        }
    }
}
