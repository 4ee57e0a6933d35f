//! Recordings of words that the demo model knows, spoken by espeak-ng.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

/// What is said.
pub const WORDS: &str = "hello world";

/// The head of espeak-ng's WAV files.
const HEAD_BYTES: usize = 44;
/// Samples per second of them.
const RATE_HZ: usize = 22_050;
/// Between the times that it is said in a long recording, in samples.
const PAUSE: usize = RATE_HZ / 2;

/// The words, once.
#[derive(Debug)]
pub struct Spoken {
    /// A WAV file.
    pub file: Vec<u8>,
}

impl Spoken {
    /// Has them spoken, into a file of that folder.
    pub fn make(folder: &Path) -> io::Result<Spoken> {
        let path = folder.join("spoken.wav");
        let mut espeak = Command::new("espeak-ng");
        espeak
            .args(["-v", "en-us+m3", "-s", "150", "-w"])
            .arg(&path)
            .arg(WORDS);
        let status = espeak
            .status()
            .map_err(|error| io::Error::other(format!("espeak-ng: {error}")))?;
        let file = fs::read(&path)?;
        if !status.success() || file.len() < HEAD_BYTES {
            return Err(io::Error::other("espeak-ng said nothing"));
        }
        Ok(Spoken { file })
    }

    /// The same words, so often.
    pub fn times(&self, times: usize) -> Vec<u8> {
        [self.head(times), self.once().repeat(times)].concat()
    }

    /// The same words for so many minutes or a little less, as a file.
    pub fn write_minutes(&self, file: &mut impl Write, minutes: u64) -> io::Result<()> {
        let once = self.once();
        let times = minutes as usize * 60 * 2 * RATE_HZ / once.len();
        file.write_all(&self.head(times))?;
        (0..times).try_for_each(|_| file.write_all(&once))
    }

    /// The words and the pause behind them.
    fn once(&self) -> Vec<u8> {
        [&self.file[HEAD_BYTES..], &[0; 2 * PAUSE]].concat()
    }

    fn head(&self, times: usize) -> Vec<u8> {
        let data_bytes = (self.once().len() * times) as u32;
        let mut head = self.file[..HEAD_BYTES].to_vec();
        head[4..8].copy_from_slice(&(data_bytes + HEAD_BYTES as u32 - 8).to_le_bytes());
        head[40..44].copy_from_slice(&data_bytes.to_le_bytes());
        head
    }
}
