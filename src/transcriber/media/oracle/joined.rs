//! Joined files, and streams that change in the middle.

use super::expected::{Expected, Part, Warning};
use super::kit::Kit;
use super::made::{self, Made};

/// Encoders add silence at both ends of each part.
const TOLERANCE_S: f64 = 0.2;

/// Requirement on the second part.
#[derive(Clone, Copy)]
enum Second {
    /// The format supports it.
    Decoded,
    /// The format does not support it: it is decoded, or a warning is given.
    DecodedOrWarned,
}

struct Pair {
    name: &'static str,
    extension: &'static str,
    first: &'static str,
    second: &'static str,
    treated: Second,
}

const fn pair(
    name: &'static str,
    extension: &'static str,
    first: &'static str,
    second: &'static str,
    treated: Second,
) -> Pair {
    Pair {
        name,
        extension,
        first,
        second,
        treated,
    }
}

const OPUS: &str = "-c:a libopus -f ogg";
const VORBIS: &str = "-c:a libvorbis -f ogg";
const MP3: &str = "-c:a libmp3lame -ar 44100";

const PAIRS: &[Pair] = &[
    pair("mp3", "mp3", MP3, MP3, Second::Decoded),
    pair(
        "mp3 without xing",
        "mp3",
        "-c:a libmp3lame -ar 44100 -write_xing 0 -id3v2_version 0",
        "-c:a libmp3lame -ar 44100 -write_xing 0 -id3v2_version 0",
        Second::Decoded,
    ),
    pair(
        "mp3 vbr",
        "mp3",
        "-c:a libmp3lame -q:a 5",
        "-c:a libmp3lame -q:a 3",
        Second::Decoded,
    ),
    pair(
        "mp3 id3v1 in between",
        "mp3",
        "-c:a libmp3lame -write_id3v1 1 -metadata title=x",
        MP3,
        Second::Decoded,
    ),
    pair(
        "mp3 mono, then stereo",
        "mp3",
        "-c:a libmp3lame -ac 1",
        "-c:a libmp3lame -ac 2",
        Second::Decoded,
    ),
    pair(
        "mp3 stereo, then mono",
        "mp3",
        "-c:a libmp3lame -ac 2",
        "-c:a libmp3lame -ac 1",
        Second::Decoded,
    ),
    pair(
        "mp3 44.1 kHz, then 22.05",
        "mp3",
        MP3,
        "-c:a libmp3lame -ar 22050",
        Second::Decoded,
    ),
    pair(
        "mp3 8 kHz, then 48",
        "mp3",
        "-c:a libmp3lame -ar 8000",
        "-c:a libmp3lame -ar 48000",
        Second::Decoded,
    ),
    pair("mp2", "mp2", "-c:a mp2", "-c:a mp2", Second::Decoded),
    pair(
        "adts",
        "aac",
        "-c:a aac -ar 44100",
        "-c:a aac -ar 44100",
        Second::Decoded,
    ),
    pair(
        "adts 44.1 kHz, then 22.05",
        "aac",
        "-c:a aac -ar 44100",
        "-c:a aac -ar 22050",
        Second::Decoded,
    ),
    pair(
        "adts mono, then stereo",
        "aac",
        "-c:a aac -ac 1",
        "-c:a aac -ac 2",
        Second::Decoded,
    ),
    pair("ac3", "ac3", "-c:a ac3", "-c:a ac3", Second::Decoded),
    pair(
        "ac3 mono, then 5.1",
        "ac3",
        "-c:a ac3 -ac 1",
        "-c:a ac3 -ac 6",
        Second::Decoded,
    ),
    pair("ogg opus", "opus", OPUS, OPUS, Second::Decoded),
    pair(
        "ogg opus mono, then stereo",
        "opus",
        OPUS,
        "-c:a libopus -ac 2 -f ogg",
        Second::Decoded,
    ),
    pair("ogg vorbis", "ogg", VORBIS, VORBIS, Second::Decoded),
    pair(
        "ogg vorbis 44.1 kHz, then 22.05",
        "ogg",
        "-c:a libvorbis -ar 44100",
        "-c:a libvorbis -ar 22050",
        Second::Decoded,
    ),
    pair(
        "ogg vorbis stereo, then mono",
        "ogg",
        "-c:a libvorbis -ac 2",
        "-c:a libvorbis -ac 1",
        Second::Decoded,
    ),
    pair(
        "ogg vorbis, then opus",
        "ogg",
        VORBIS,
        OPUS,
        Second::Decoded,
    ),
    pair(
        "ogg opus, then vorbis",
        "ogg",
        OPUS,
        VORBIS,
        Second::Decoded,
    ),
    pair(
        "ogg flac",
        "oga",
        "-c:a flac -f ogg",
        "-c:a flac -f ogg",
        Second::Decoded,
    ),
    pair("ts", "ts", "-c:a aac", "-c:a aac", Second::Decoded),
    pair("ts mp2", "ts", "-c:a mp2", "-c:a mp2", Second::Decoded),
    pair(
        "flac",
        "flac",
        "-c:a flac",
        "-c:a flac",
        Second::DecodedOrWarned,
    ),
    pair(
        "flac 48 kHz, then 16",
        "flac",
        "-c:a flac -ar 48000",
        "-c:a flac -ar 16000",
        Second::DecodedOrWarned,
    ),
    pair(
        "webm",
        "webm",
        "-c:a libopus",
        "-c:a libopus",
        Second::DecodedOrWarned,
    ),
    pair(
        "webm live",
        "webm",
        "-c:a libopus -live 1",
        "-c:a libopus -live 1",
        Second::DecodedOrWarned,
    ),
    pair(
        "mkv",
        "mkv",
        "-c:a aac",
        "-c:a aac",
        Second::DecodedOrWarned,
    ),
    pair(
        "mkv mp3, then flac",
        "mkv",
        "-c:a libmp3lame",
        "-c:a flac",
        Second::DecodedOrWarned,
    ),
    pair(
        "mp4",
        "mp4",
        "-c:a aac",
        "-c:a aac",
        Second::DecodedOrWarned,
    ),
    pair(
        "mp4 faststart",
        "mp4",
        "-c:a aac -movflags +faststart",
        "-c:a aac -movflags +faststart",
        Second::DecodedOrWarned,
    ),
    pair(
        "mp4 fragments",
        "mp4",
        "-c:a aac -movflags +frag_keyframe+empty_moov -frag_duration 500000",
        "-c:a aac -movflags +frag_keyframe+empty_moov -frag_duration 500000",
        Second::DecodedOrWarned,
    ),
    pair(
        "wav",
        "wav",
        "-c:a pcm_s16le",
        "-c:a pcm_s16le",
        Second::DecodedOrWarned,
    ),
    pair(
        "wav 16 bits, then float",
        "wav",
        "-c:a pcm_s16le",
        "-c:a pcm_f32le",
        Second::DecodedOrWarned,
    ),
    pair(
        "w64",
        "w64",
        "-c:a pcm_s16le",
        "-c:a pcm_s16le",
        Second::DecodedOrWarned,
    ),
    pair(
        "aiff",
        "aiff",
        "-c:a pcm_s16be",
        "-c:a pcm_s16be",
        Second::DecodedOrWarned,
    ),
    pair(
        "caf",
        "caf",
        "-c:a pcm_s16le",
        "-c:a pcm_s16le",
        Second::DecodedOrWarned,
    ),
    pair(
        "avi",
        "avi",
        "-c:a pcm_s16le",
        "-c:a pcm_s16le",
        Second::DecodedOrWarned,
    ),
    pair(
        "wma",
        "wma",
        "-c:a wmav2",
        "-c:a wmav2",
        Second::DecodedOrWarned,
    ),
];

/// Writes both halves as separate files; returns their names.
fn halves(kit: &Kit, pair: &Pair, file: &str) -> Result<[String; 2], String> {
    let names = [format!("first-{file}"), format!("second-{file}")];
    kit.ffmpeg(&format!(
        "-t 3.2 -i speech-7000.wav {} {}",
        pair.first, names[0]
    ))?;
    kit.ffmpeg(&format!(
        "-ss 3.2 -i speech-7000.wav {} {}",
        pair.second, names[1]
    ))?;
    Ok(names)
}

fn appended(rows: &mut Vec<Made>) {
    for pair in PAIRS {
        rows.push(Made::new(
            format!("joined: {}", pair.name),
            pair.extension,
            move |kit, file| {
                let names = halves(kit, pair, file)?;
                kit.write(file, &[kit.bytes(&names[0]), kit.bytes(&names[1])].concat());
                let [first, second] = names.map(|name| Part::All(kit.path(&name)));
                let both = Expected::parts([first.clone(), second])
                    .within(TOLERANCE_S)
                    .with_seams()
                    .at_any_level()
                    .because("both halves must be decoded");
                Ok(match pair.treated {
                    Second::Decoded => both,
                    Second::DecodedOrWarned => both
                        .warning(Warning::May)
                        .or(Expected::parts([first]).warning(Warning::Must)),
                })
            },
        ));
    }
    // What a browser sends if its recorder is stopped and restarted.
    rows.push(Made::new(
        "joined: webm three times",
        "webm",
        |kit, file| {
            let mut whole = Vec::new();
            let mut parts = Vec::new();
            for (index, start_s) in [0.0, 2.0, 4.5].into_iter().enumerate() {
                let part = format!("{index}-{file}");
                kit.ffmpeg(&format!(
                    "-ss {start_s} -t 1.5 -i speech-7000.wav -c:a libopus -live 1 {part}"
                ))?;
                whole.extend(kit.bytes(&part));
                parts.push(Part::All(kit.path(&part)));
            }
            kit.write(file, &whole);
            let first = parts[0].clone();
            Ok(Expected::parts(parts)
                .within(TOLERANCE_S)
                .damaged(1.0, 2.0)
                .damaged(2.9, 4.0)
                .warning(Warning::May)
                .or(Expected::parts([first]).warning(Warning::Must))
                .because("all parts must be decoded"))
        },
    ));
}

#[test]
fn all_parts_of_joined_files_are_decoded() {
    let mut rows = Vec::new();
    appended(&mut rows);
    made::check_rows("joined", rows);
}
