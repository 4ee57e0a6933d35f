//! The file formats that recordings come in, made by ffmpeg.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::speech::{self, RATE_HZ, Random, Spoken};

/// How to make a file.
#[derive(Debug, Clone, Copy)]
pub struct Encoding {
    /// For people; unique.
    pub name: &'static str,
    /// Extension of the file's name.
    pub extension: &'static str,
    /// Arguments of ffmpeg between input and output.
    arguments: &'static str,
    /// Whether there is a picture as well.
    picture: bool,
}

/// A file without a picture.
pub const fn sound(
    name: &'static str,
    extension: &'static str,
    arguments: &'static str,
) -> Encoding {
    Encoding {
        name,
        extension,
        arguments,
        picture: false,
    }
}

const fn film(name: &'static str, extension: &'static str, arguments: &'static str) -> Encoding {
    Encoding {
        name,
        extension,
        arguments,
        picture: true,
    }
}

/// Everything that people send.
pub const ALL: [Encoding; 24] = [
    sound("wav 8 kHz mono", "wav", "-ar 8000"),
    sound("wav 44.1 kHz stereo", "wav", "-ar 44100 -ac 2"),
    sound("wav 48 kHz stereo", "wav", "-ar 48000 -ac 2"),
    sound("wav 16 kHz mono", "wav", "-ar 16000"),
    sound("wav 24 bit", "wav", "-c:a pcm_s24le"),
    sound("wav float", "wav", "-c:a pcm_f32le"),
    sound("mp3", "mp3", "-c:a libmp3lame -b:a 64k"),
    sound(
        "mp3 variable rate",
        "mp3",
        "-c:a libmp3lame -q:a 5 -ar 44100 -ac 2",
    ),
    sound("m4a aac", "m4a", "-c:a aac -b:a 64k"),
    sound("m4a alac", "m4a", "-c:a alac"),
    film(
        "mp4 with picture",
        "mp4",
        "-c:v libx264 -preset ultrafast -c:a aac",
    ),
    film(
        "mp4 index in front",
        "mp4",
        "-c:v mpeg4 -c:a aac -movflags +faststart",
    ),
    film("mov", "mov", "-c:v mpeg4 -c:a pcm_s16le"),
    sound("flac", "flac", "-c:a flac"),
    sound("ogg vorbis", "ogg", "-c:a libvorbis -q:a 4"),
    sound("ogg opus", "opus", "-c:a libopus -b:a 32k"),
    sound("webm opus", "webm", "-c:a libopus -b:a 32k"),
    film(
        "webm with picture",
        "webm",
        "-c:v libvpx -deadline realtime -c:a libopus",
    ),
    film("mkv aac", "mkv", "-c:v mpeg4 -c:a aac"),
    sound("mka vorbis", "mka", "-c:a libvorbis"),
    sound("aac adts", "aac", "-c:a aac -b:a 64k -ar 44100"),
    sound("aiff", "aiff", "-c:a pcm_s16be"),
    sound("caf", "caf", "-c:a pcm_s16le"),
    sound("wav a-law", "wav", "-c:a pcm_alaw -ar 8000"),
];

/// The encoding of that name.
pub fn named(name: &str) -> Encoding {
    *ALL.iter()
        .find(|encoding| encoding.name == name)
        .unwrap_or_else(|| panic!("no encoding {name:?}"))
}

/// The same recording in another format.
pub fn encode(spoken: &Spoken, encoding: Encoding) -> Spoken {
    let name = spoken.file.file_name();
    let file = speech::cached(&(name, encoding), encoding.extension, |path| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y"]);
        if encoding.picture {
            ffmpeg.args(["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5"]);
        }
        ffmpeg.arg("-i").arg(&spoken.file).arg("-shortest");
        ffmpeg.args(encoding.arguments.split_whitespace()).arg(path);
        speech::run(&mut ffmpeg);
    });
    Spoken {
        file,
        phrases: spoken.phrases.clone(),
    }
}

/// A WAV file without speech: noise of that amplitude (of 32767), 0 for none.
pub fn silence(length_s: u32, amplitude: i16) -> PathBuf {
    speech::cached(&("silence", length_s, amplitude), "wav", |path| {
        let mut random = Random(7);
        let spread = 2 * amplitude as u64 + 1;
        let samples: Vec<i16> = (0..length_s * RATE_HZ)
            .map(|_| random.below(spread) as i16 - amplitude)
            .collect();
        fs::write(path, speech::wav(&samples)).expect("a fixture can be written");
    })
}

#[test]
fn every_encoding_can_be_made() {
    let spoken = speech::speak(speech::Script::short(speech::VOICES[0], 1));
    for encoding in ALL {
        let bytes = encode(&spoken, encoding).bytes();
        assert!(bytes.len() > 5_000, "{encoding:?}: {} bytes", bytes.len());
    }
    for (amplitude, loudest) in [(0, 0), (30, 30)] {
        let file = fs::read(silence(1, amplitude)).unwrap();
        let samples = file[44..].chunks_exact(2);
        let found = samples
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]).abs())
            .max();
        assert_eq!(found, Some(loudest));
    }
}
