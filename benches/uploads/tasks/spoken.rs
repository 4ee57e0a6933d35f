//! Recordings of words that the demo model knows, spoken by espeak-ng.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// What is said.
pub const WORDS: &str = "hello world";

/// The head of espeak-ng's WAV files.
const HEAD_BYTES: usize = 44;
/// Between the times that it is said in a long recording, in samples: half a second.
const PAUSE: usize = 11_025;

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
        let (head, sound) = self.file.split_at(HEAD_BYTES);
        let once = [sound, &[0; 2 * PAUSE]].concat();
        let data_bytes = (once.len() * times) as u32;
        let mut file = head.to_vec();
        file[4..8].copy_from_slice(&(data_bytes + HEAD_BYTES as u32 - 8).to_le_bytes());
        file[40..44].copy_from_slice(&data_bytes.to_le_bytes());
        file.extend(once.repeat(times));
        file
    }
}
