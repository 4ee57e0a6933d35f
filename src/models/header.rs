//! Checks a model file before whisper.cpp reads it.
//!
//! whisper.cpp believes every number in a model file and aborts the process, or
//! computes with uninitialised memory, on damaged ones. So the whole structure
//! is walked here, skipping over the weights: every reason to refuse is found in
//! milliseconds and named. The layout (little endian): magic, eleven
//! hyperparameters, mel filters, vocabulary, then tensors up to the end.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek};
use std::path::Path;

const MAGIC: u32 = 0x6767_6d6c;
/// whisper.cpp's special tokens need at least so many.
const VOCABULARY: std::ops::RangeInclusive<i32> = 51_864..=60_000;
const MEL_FFT: i32 = 201;
/// Longest token or tensor name that is not garbage.
const NAME_MAX_BYTES: u32 = 1024;
/// whisper.cpp takes the weights' type modulo this.
const QUANTISATION_FACTOR: i32 = 1000;
/// The values of `ftype` that whisper.cpp does not abort on.
const WEIGHT_TYPES: [i32; 12] = [0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14];

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file cannot be opened or read.
    #[error("it cannot be read ({0})")]
    Read(#[from] io::Error),
    /// The magic is missing.
    #[error("it is not a model of whisper.cpp (it does not begin with \"lmgg\")")]
    Magic,
    /// A hyperparameter out of range.
    #[error("its header is damaged ({name} is {value})")]
    Hyperparameter {
        /// As in whisper.cpp.
        name: &'static str,
        /// As in the file.
        value: i32,
    },
    /// The vocabulary or the list of tensors is invalid.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// The file is truncated; its length in bytes.
    #[error("it is incomplete ({0} bytes, it ends in the middle)")]
    Truncated(u64),
}

/// The file is a complete model, as far as can be seen without computing.
pub fn check_file(path: &Path) -> Result<(), HeaderError> {
    let file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    check(file, size_bytes)
}

/// The same for any source of `size_bytes`.
pub fn check<R: Read + Seek>(reader: R, size_bytes: u64) -> Result<(), HeaderError> {
    let mut walk = Walk {
        reader: BufReader::with_capacity(64 * 1024, reader),
        size_bytes,
        position_bytes: 0,
    };
    match walk.model() {
        Err(HeaderError::Read(error)) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(HeaderError::Truncated(size_bytes))
        }
        result => result,
    }
}

struct Walk<R> {
    reader: BufReader<R>,
    size_bytes: u64,
    position_bytes: u64,
}

impl<R: Read + Seek> Walk<R> {
    fn model(&mut self) -> Result<(), HeaderError> {
        if self.u32()? != MAGIC {
            return Err(HeaderError::Magic);
        }
        let tensors = self.hyperparameters()?;
        self.vocabulary()?;
        let mut found = 0;
        while self.position_bytes < self.size_bytes {
            self.tensor()?;
            found += 1;
        }
        if found < tensors {
            return Err(HeaderError::Truncated(self.size_bytes));
        }
        if found > tensors {
            return Err(HeaderError::Damaged(format!(
                "{found} tensors instead of {tensors}"
            )));
        }
        Ok(())
    }

    /// Checks the hyperparameters and the mel filters that follow them; returns
    /// how many tensors such a model has.
    fn hyperparameters(&mut self) -> Result<u32, HeaderError> {
        self.number("n_vocab", |n| VOCABULARY.contains(&n))?;
        self.number("n_audio_ctx", |n| (100..=6000).contains(&n))?;
        let state = self.number("n_audio_state", |n| (16..=8192).contains(&n))?;
        self.number("n_audio_head", |n| n > 0 && state % n == 0)?;
        let audio_layers = self.number("n_audio_layer", |n| (1..=128).contains(&n))?;
        self.number("n_text_ctx", |n| (16..=4096).contains(&n))?;
        self.number("n_text_state", |n| n == state)?;
        self.number("n_text_head", |n| n > 0 && state % n == 0)?;
        let text_layers = self.number("n_text_layer", |n| (1..=128).contains(&n))?;
        let mels = self.number("n_mels", |n| n == 80 || n == 128)?;
        self.number("ftype", |n| {
            n >= 0 && WEIGHT_TYPES.contains(&(n % QUANTISATION_FACTOR))
        })?;
        self.number("the number of mel filters", |n| n == mels)?;
        self.number("the length of mel filters", |n| n == MEL_FFT)?;
        self.skip(mels as u64 * MEL_FFT as u64 * 4)?;
        // As whisper.cpp creates them: the ends, and what a layer consists of.
        Ok(11 + 15 * audio_layers as u32 + 24 * text_layers as u32)
    }

    fn vocabulary(&mut self) -> Result<(), HeaderError> {
        let count = self.number("the number of tokens", |n| {
            (1..=*VOCABULARY.end()).contains(&n)
        })?;
        let mut has_blank = false;
        for token in 0..count {
            let length_bytes = self.u32()?;
            if length_bytes > NAME_MAX_BYTES {
                return Err(HeaderError::Damaged(format!(
                    "token {token} has {length_bytes} bytes"
                )));
            }
            has_blank |= self.text(length_bytes)? == b" ";
        }
        if !has_blank {
            // whisper.cpp looks this token up without asking whether it is there.
            return Err(HeaderError::Damaged(
                "its vocabulary has no blank".to_owned(),
            ));
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<(), HeaderError> {
        let start_bytes = self.position_bytes;
        let damaged = |what| {
            Err(HeaderError::Damaged(format!(
                "{what} at byte {start_bytes}"
            )))
        };
        let dimensions = self.u32()?;
        let name_bytes = self.u32()?;
        let kind = self.u32()?;
        if !(1..=4).contains(&dimensions) || !(1..=NAME_MAX_BYTES).contains(&name_bytes) {
            return damaged("no tensor");
        }
        let Some((block_elements, block_bytes)) = block(kind) else {
            return damaged("a tensor of unknown type");
        };
        let mut elements: u64 = 1;
        for _ in 0..dimensions {
            elements = elements.saturating_mul(u64::from(self.u32()?));
        }
        if elements == 0 || elements > u32::MAX.into() || !elements.is_multiple_of(block_elements) {
            return damaged("a tensor of impossible size");
        }
        let name = self.text(name_bytes)?;
        if !name.iter().all(u8::is_ascii_graphic) {
            return damaged("a tensor without a name");
        }
        self.skip(elements / block_elements * block_bytes)?;
        Ok(())
    }

    fn number(
        &mut self,
        name: &'static str,
        plausible: impl Fn(i32) -> bool,
    ) -> Result<i32, HeaderError> {
        let value = self.u32()?.cast_signed();
        if !plausible(value) {
            return Err(HeaderError::Hyperparameter { name, value });
        }
        Ok(value)
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.reader.read_exact(&mut bytes)?;
        self.position_bytes += 4;
        Ok(u32::from_le_bytes(bytes))
    }

    fn text(&mut self, length_bytes: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length_bytes as usize];
        self.reader.read_exact(&mut bytes)?;
        self.position_bytes += u64::from(length_bytes);
        Ok(bytes)
    }

    fn skip(&mut self, length_bytes: u64) -> io::Result<()> {
        self.position_bytes += length_bytes;
        if self.position_bytes > self.size_bytes {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.reader.seek_relative(length_bytes.cast_signed())
    }
}

/// Elements and bytes of one block of a ggml type.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),
        1 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const DEMO_MODEL: &[u8] = include_bytes!("../../packaging/demo-model/ggml-demo.bin");

    fn verdict(model: &[u8]) -> String {
        match check(Cursor::new(model), model.len() as u64) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn damage_is_found_and_named() {
        assert_eq!(verdict(DEMO_MODEL), "good");
        let cases: [(&str, usize, &[u8], &str); 9] = [
            (
                "magic",
                0,
                b"<htm",
                "it is not a model of whisper.cpp (it does not begin with \"lmgg\")",
            ),
            (
                "vocabulary",
                4,
                &[1, 0, 0, 0],
                "its header is damaged (n_vocab is 1)",
            ),
            (
                "heads",
                16,
                &[7, 0, 0, 0],
                "its header is damaged (n_audio_head is 7)",
            ),
            (
                "layers",
                36,
                &[0xff; 4],
                "its header is damaged (n_text_layer is -1)",
            ),
            (
                "mels",
                40,
                &[81, 0, 0, 0],
                "its header is damaged (n_mels is 81)",
            ),
            (
                "type",
                44,
                &[4, 0, 0, 0],
                "its header is damaged (ftype is 4)",
            ),
            (
                "filters",
                48,
                &[0, 0, 0, 1],
                "its header is damaged (the number of mel filters is 16777216)",
            ),
            (
                "tokens",
                56 + 80 * 201 * 4 + 4,
                &[0xff; 4],
                "it is damaged (token 0 has 4294967295 bytes)",
            ),
            // Fewer layers than there are tensors for.
            (
                "fewer",
                20,
                &[1, 0, 0, 0],
                "it is damaged (113 tensors instead of 98)",
            ),
        ];
        for (name, offset, bytes, expected) in cases {
            let mut model = DEMO_MODEL.to_vec();
            model[offset..offset + bytes.len()].copy_from_slice(bytes);
            assert_eq!(verdict(&model), expected, "{name}");
        }
    }

    #[test]
    fn a_model_cut_anywhere_is_incomplete() {
        for length in [4, 30, 50, 1000, 70_000, 1_000_000, DEMO_MODEL.len() - 1] {
            assert_eq!(
                verdict(&DEMO_MODEL[..length]),
                format!("it is incomplete ({length} bytes, it ends in the middle)")
            );
        }
        assert!(verdict(b"").contains("incomplete"));
    }

    #[test]
    fn garbage_between_tensors_is_damage() {
        let mut model = DEMO_MODEL.to_vec();
        model.extend_from_slice(&[0; 16]);
        assert!(verdict(&model).starts_with("it is damaged (no tensor at byte"));
    }
}
