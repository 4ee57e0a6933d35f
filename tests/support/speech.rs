//! Recordings whose words and times are known: phrases of the demo model's
//! vocabulary, synthesised in voices it was not trained on, joined with pauses
//! of known length. The same [`Script`] gives the same recording every time.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Samples per second of everything made here (what espeak-ng gives).
pub const RATE_HZ: u32 = 22_050;

/// Words that the demo model knows.
const VOCABULARY: &str = "zero one two three four five six seven eight nine yes no stop go left \
    right open close hello world please light door music water morning meeting monday red green \
    blue test";

/// Voices that the demo model was not trained on, in accents that it was.
pub const VOICES: [&str; 12] = [
    "en-us+f5",
    "en-us+f2",
    "en-us+m3",
    "en-us+klatt5",
    "en-us+Andy",
    "en-us+boris",
    "en-us+max",
    "en-us+marcelo",
    "en-us+grandpa",
    "en-us+norbert",
    "en+f2",
    "en+m3",
];

/// What is to be said.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// Voice of espeak-ng, one of [`VOICES`].
    pub voice: &'static str,
    /// Another seed, other words.
    pub seed: u64,
    /// How many phrases of two to four words.
    pub phrases: usize,
    /// Shortest and longest pause around a phrase, in tenths of a second.
    pub pause_ds: (u64, u64),
    /// How often the whole of it is said.
    pub times: usize,
}

impl Script {
    /// A few phrases with pauses of one to two seconds.
    pub const fn short(voice: &'static str, seed: u64) -> Script {
        Script {
            voice,
            seed,
            phrases: 5,
            pause_ds: (10, 20),
            times: 1,
        }
    }
}

/// A stretch of speech.
#[derive(Debug, Clone)]
pub struct Phrase {
    /// Seconds from the start of the recording to the first sound.
    pub start_s: f64,
    /// Seconds from the start of the recording to the last sound.
    pub end_s: f64,
    /// What is said.
    pub text: String,
}

/// A recording and what is said in it.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// Where it lies.
    pub file: PathBuf,
    /// In order of time.
    pub phrases: Vec<Phrase>,
}

impl Spoken {
    /// All words in one line.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.phrases.iter().map(|phrase| &*phrase.text).collect();
        texts.join(" ")
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.file).expect("a fixture can be read")
    }
}

/// Speaks a script into a mono 16-bit WAV file.
pub fn speak(script: Script) -> Spoken {
    let mut random = Random(script.seed);
    let mut samples = Vec::new();
    let mut phrases = Vec::new();
    let pause = |random: &mut Random, samples: &mut Vec<i16>| {
        let (shortest, longest) = script.pause_ds;
        let pause_ds = shortest + random.below(longest - shortest + 1);
        samples.resize(
            samples.len() + (pause_ds * u64::from(RATE_HZ) / 10) as usize,
            0,
        );
    };
    pause(&mut random, &mut samples);
    for _ in 0..script.phrases {
        let text = random_phrase(&mut random);
        let sound = say(script.voice, &text);
        phrases.push(Phrase {
            start_s: seconds(samples.len()),
            end_s: seconds(samples.len() + sound.len()),
            text,
        });
        samples.extend(sound);
        pause(&mut random, &mut samples);
    }
    let (once, said) = (samples.clone(), phrases.clone());
    for time in 1..script.times {
        samples.extend(&once);
        let later_s = seconds(once.len() * time);
        phrases.extend(said.iter().map(|phrase| Phrase {
            start_s: phrase.start_s + later_s,
            end_s: phrase.end_s + later_s,
            text: phrase.text.clone(),
        }));
    }
    let file = cached(&script, "wav", |path| {
        fs::write(path, wav(&samples)).expect("a fixture can be written");
    });
    Spoken { file, phrases }
}

/// The path of a file in the cache, made by `make` unless it is there already.
/// It depends on `recipe`, everything that decides about its content. Other
/// threads and processes may want it at the same time: they never see a half.
pub fn cached(recipe: &impl std::fmt::Debug, extension: &str, make: impl FnOnce(&Path)) -> PathBuf {
    static UNIQUE: AtomicU32 = AtomicU32::new(0);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recordings");
    fs::create_dir_all(&folder).expect("the cache can be made");
    let mut hasher = DefaultHasher::new();
    format!("{recipe:?} {VOCABULARY}").hash(&mut hasher);
    let name = format!("{:016x}", hasher.finish());
    let path = folder.join(format!("{name}.{extension}"));
    if !path.exists() {
        let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let part = folder.join(format!("{name}.{pid}.{unique}.{extension}"));
        make(&part);
        fs::rename(&part, &path).expect("a fixture was made");
    }
    path
}

/// Runs a program that makes a fixture.
pub fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error} (is it installed?)"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A mono 16-bit WAV file.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let data_bytes = (samples.len() * 2) as u32;
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend(b"RIFF");
    file.extend((36 + data_bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(1u16.to_le_bytes()); // PCM
    file.extend(1u16.to_le_bytes()); // one channel
    file.extend(RATE_HZ.to_le_bytes());
    file.extend((RATE_HZ * 2).to_le_bytes());
    file.extend(2u16.to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend(data_bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// Pseudo-random numbers (Knuth's MMIX generator), the same everywhere.
pub struct Random(pub u64);

impl Random {
    /// A number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Two to four words, no word twice in a row, and never "no one", which
/// espeak-ng speaks as one word.
fn random_phrase(random: &mut Random) -> String {
    let vocabulary: Vec<&str> = VOCABULARY.split_whitespace().collect();
    let count = 2 + random.below(3) as usize;
    let mut phrase: Vec<&str> = Vec::new();
    while phrase.len() < count {
        let word = vocabulary[random.below(vocabulary.len() as u64) as usize];
        match (phrase.last(), word) {
            (Some(&"no"), "one") => (),
            (Some(&last), word) if last == word => (),
            _ => phrase.push(word),
        }
    }
    phrase.join(" ")
}

/// The sound of a phrase, from its first sound to its last.
fn say(voice: &str, text: &str) -> Vec<i16> {
    let file = cached(&("espeak", voice, text), "wav", |path| {
        run(Command::new("espeak-ng")
            .args(["-v", voice, "-s", "160", "-g", "2", "-w"])
            .arg(path)
            .arg(text));
    });
    let file = fs::read(file).expect("espeak-ng has written a file");
    let rate = u32::from_le_bytes(file[24..28].try_into().expect("a WAV header"));
    assert_eq!(rate, RATE_HZ, "espeak-ng's rate");
    let sound: Vec<i16> = file[44..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    louder(trimmed(&sound))
}

/// Without the silence at both ends: 10 ms pieces below 2 % of the loudest.
fn trimmed(sound: &[i16]) -> &[i16] {
    const PIECE: usize = RATE_HZ as usize / 100;
    let energies: Vec<f64> = sound
        .chunks(PIECE)
        .map(|piece| {
            let squares: f64 = piece.iter().map(|&s| f64::from(s).powi(2)).sum();
            (squares / piece.len() as f64).sqrt()
        })
        .collect();
    let limit = energies.iter().fold(0.0, |a: f64, &b| a.max(b)) * 0.02;
    let loud = |energy: &f64| *energy > limit;
    let first = energies.iter().position(loud).expect("some sound");
    let last = energies.iter().rposition(loud).expect("some sound");
    &sound[first * PIECE..((last + 1) * PIECE).min(sound.len())]
}

/// With its loudest sample at half of what 16 bits can hold.
fn louder(sound: &[i16]) -> Vec<i16> {
    let peak = sound.iter().map(|s| s.unsigned_abs()).max().unwrap_or(1);
    sound
        .iter()
        .map(|&s| (i32::from(s) * 16_384 / i32::from(peak.max(1))) as i16)
        .collect()
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(RATE_HZ)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_lie_where_they_are_said_to() {
        for voice in VOICES {
            let spoken = speak(Script::short(voice, 1));
            let file = spoken.bytes();
            let level = |from_s: f64, to_s: f64| {
                let at = |s: f64| 44 + 2 * (s * f64::from(RATE_HZ)) as usize;
                file[at(from_s)..at(to_s)]
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs())
                    .max()
                    .unwrap()
            };
            let mut silent_from_s = 0.0;
            for phrase in &spoken.phrases {
                let Phrase { start_s, end_s, .. } = *phrase;
                assert!(start_s - silent_from_s >= 0.99, "{voice} {phrase:?}");
                assert!(
                    (0.3..5.0).contains(&(end_s - start_s)),
                    "{voice} {phrase:?}"
                );
                assert_eq!(
                    level(silent_from_s, start_s - 0.001),
                    0,
                    "{voice} {phrase:?}"
                );
                assert!(level(start_s, start_s + 0.05) > 0, "{voice} {phrase:?}");
                assert!(level(end_s - 0.05, end_s) > 0, "{voice} {phrase:?}");
                silent_from_s = end_s + 0.001;
            }
        }
    }

    #[test]
    fn repetition_moves_the_times_along() {
        let once = Script::short(VOICES[0], 2);
        let thrice = speak(Script { times: 3, ..once });
        let once = speak(once);
        let length_s = (once.bytes().len() - 44) as f64 / 2.0 / f64::from(RATE_HZ);
        assert_eq!(thrice.bytes().len() - 44, 3 * (once.bytes().len() - 44));
        assert_eq!(thrice.phrases.len(), 15);
        let moved = thrice.phrases[12].start_s - once.phrases[2].start_s;
        assert!((moved - 2.0 * length_s).abs() < 0.001);
    }

    #[test]
    fn the_same_script_says_the_same() {
        let (a, b) = (Script::short(VOICES[1], 3), Script::short(VOICES[1], 4));
        assert_eq!(speak(a).text(), speak(a).text());
        assert_ne!(speak(a).text(), speak(b).text());
        assert!(
            !speak(Script { phrases: 300, ..a })
                .text()
                .contains("no one")
        );
    }
}
