//! Truncated and damaged files, and files of recorders that were killed or could
//! not seek back to complete the header.

use super::expected::{Expected, Part, Warning};
use super::made::{self, Made};

/// A file that is truncated or damaged in the middle.
struct Original {
    name: &'static str,
    extension: &'static str,
    arguments: &'static str,
    /// Whether its structure shows a truncation.
    shows: Warning,
    /// Whether checksums show damage in the middle.
    checked: bool,
}

const fn whole(
    name: &'static str,
    extension: &'static str,
    arguments: &'static str,
    shows: Warning,
    checked: bool,
) -> Original {
    Original {
        name,
        extension,
        arguments,
        shows,
        checked,
    }
}

const ORIGINALS: &[Original] = &[
    whole("wav", "wav", "-c:a pcm_s16le", Warning::Must, false),
    whole("wav float", "wav", "-c:a pcm_f32le", Warning::Must, false),
    whole("wav adpcm", "wav", "-c:a adpcm_ms", Warning::Must, false),
    whole(
        "rf64",
        "wav",
        "-c:a pcm_s16le -rf64 always",
        Warning::Must,
        false,
    ),
    whole("w64", "w64", "-c:a pcm_s16le", Warning::Must, false),
    whole("au", "au", "-c:a pcm_s16be", Warning::Must, false),
    whole("aiff", "aiff", "-c:a pcm_s16be", Warning::Must, false),
    whole("caf", "caf", "-c:a pcm_s16le", Warning::Must, false),
    whole("mp3", "mp3", "-c:a libmp3lame", Warning::May, true),
    whole(
        "mp3 vbr no xing",
        "mp3",
        "-c:a libmp3lame -q:a 4 -write_xing 0",
        Warning::May,
        true,
    ),
    whole("mp2", "mp2", "-c:a mp2", Warning::May, true),
    whole("adts", "aac", "-c:a aac -ar 44100", Warning::May, true),
    whole("ac3", "ac3", "-c:a ac3", Warning::May, true),
    whole("flac", "flac", "-c:a flac", Warning::Must, true),
    whole(
        "m4a",
        "m4a",
        "-c:a aac -movflags +faststart",
        Warning::Must,
        false,
    ),
    whole(
        "m4a alac",
        "m4a",
        "-c:a alac -movflags +faststart",
        Warning::Must,
        false,
    ),
    whole(
        "mov pcm",
        "mov",
        "-c:a pcm_s16le -movflags +faststart",
        Warning::Must,
        false,
    ),
    whole(
        "mp4 fragments",
        "mp4",
        "-c:a aac -movflags +frag_keyframe+empty_moov -frag_duration 300000",
        Warning::May,
        false,
    ),
    whole("ogg vorbis", "ogg", "-c:a libvorbis", Warning::May, true),
    whole(
        "ogg opus",
        "opus",
        "-c:a libopus -page_duration 200000",
        Warning::May,
        true,
    ),
    whole("ogg flac", "oga", "-c:a flac", Warning::May, true),
    whole(
        "webm",
        "webm",
        "-c:a libopus -cluster_time_limit 500",
        Warning::Must,
        false,
    ),
    whole(
        "webm live",
        "webm",
        "-c:a libopus -live 1 -cluster_time_limit 500",
        Warning::May,
        false,
    ),
    whole("mkv aac", "mkv", "-c:a aac", Warning::Must, false),
    whole("mkv pcm", "mkv", "-c:a pcm_s16le", Warning::Must, false),
    whole("ts aac", "ts", "-c:a aac", Warning::May, false),
    whole("avi mp3", "avi", "-c:a libmp3lame", Warning::May, false),
    whole("wma", "wma", "-c:a wmav2", Warning::May, false),
    whole(
        "flv",
        "flv",
        "-c:a libmp3lame -ar 44100",
        Warning::May,
        false,
    ),
    whole("wavpack", "wv", "-c:a wavpack", Warning::May, true),
    whole("tta", "tta", "-c:a tta", Warning::May, true),
];

/// Pseudo-random numbers from 0 to 1, the same in each run.
fn random(seed: usize) -> f64 {
    let mut state = seed as u64 + 1;
    for _ in 0..4 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
    }
    (state >> 33) as f64 / (1_u64 << 31) as f64
}

fn cut(rows: &mut Vec<Made>) {
    for (number, whole) in ORIGINALS.iter().enumerate() {
        for third in 0..3 {
            let fraction = (f64::from(third) + random(number * 3 + third as usize)) / 3.0;
            let fraction = fraction.clamp(0.15, 0.97);
            rows.push(Made::new(
                format!("cut at {:.1} %: {}", fraction * 100.0, whole.name),
                whole.extension,
                move |kit, file| {
                    let name = format!("whole-{file}");
                    kit.ffmpeg(&format!("-i speech-7000.wav {} {name}", whole.arguments))?;
                    let bytes = kit.bytes(&name);
                    kit.write(file, &bytes[..(bytes.len() as f64 * fraction) as usize]);
                    Ok(Expected::beginning_of(kit.path(&name))
                        .within(0.2)
                        .with_seams()
                        .warning(whole.shows)
                        .because("up to the truncation"))
                },
            ));
        }
    }
    rows.push(Made::new(
        "cut before its index: mp4",
        "mp4",
        |kit, file| {
            let name = format!("whole-{file}");
            kit.ffmpeg(&format!("-i speech-7000.wav -c:a aac {name}"))?;
            let bytes = kit.bytes(&name);
            kit.write(file, &bytes[..bytes.len() * 8 / 10]);
            Ok(Expected::refused().because("the packet offsets are missing"))
        },
    ));
}

fn damaged(rows: &mut Vec<Made>) {
    for whole in ORIGINALS.iter().filter(|whole| whole.checked) {
        rows.push(Made::new(
            format!("damaged in the middle: {}", whole.name),
            whole.extension,
            move |kit, file| {
                let name = format!("whole-{file}");
                kit.ffmpeg(&format!("-i speech-12000.wav {} {name}", whole.arguments))?;
                let mut bytes = kit.bytes(&name);
                let middle = bytes.len() / 2;
                for byte in &mut bytes[middle..middle + 600] {
                    *byte = byte.wrapping_mul(113).wrapping_add(59);
                }
                kit.write(file, &bytes);
                Ok(Expected::parts([Part::All(kit.path(&name))])
                    .within(0.3)
                    .damaged(4.0, 8.5)
                    .warning(Warning::Must)
                    .because("damaged data is skipped with a warning; the rest is decoded"))
            },
        ));
    }
}

/// Data other than audio at either end of the file.
fn surrounded(rows: &mut Vec<Made>) {
    let mut ape = b"APETAGEX\xd0\x07\0\0\x36\0\0\0\x01\0\0\0\0\0\0\xa0\0\0\0\0\0\0\0\0".to_vec();
    ape.extend_from_slice(b"\x08\0\0\0\0\0\0\0Artist\0anybody");
    ape.resize(32 + 0x36 - 32, b' ');
    ape.extend_from_slice(b"APETAGEX\xd0\x07\0\0\x36\0\0\0\x01\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0");
    let mut id3v1 = b"TAGsome title".to_vec();
    id3v1.resize(128, 0);
    let mut id3v2 = b"ID3\x03\0\0\0\x01\x56\x10".to_vec();
    id3v2.resize(10 + (1 << 14) + (0x56 << 7) + 0x10, 0);
    let text = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-name: radio\r\n\r\n".to_vec();
    for (name, extension, arguments) in [
        ("mp3", "mp3", "-c:a libmp3lame"),
        (
            "mp3 without xing",
            "mp3",
            "-c:a libmp3lame -write_xing 0 -id3v2_version 0",
        ),
        ("adts", "aac", "-c:a aac -ar 44100"),
        ("ac3", "ac3", "-c:a ac3"),
        ("flac", "flac", "-c:a flac"),
        ("wav", "wav", "-c:a pcm_s16le"),
        ("ogg", "ogg", "-c:a libvorbis"),
        ("m4a", "m4a", "-c:a aac"),
    ] {
        for (kind, before, behind) in [
            ("zeros first", vec![0; 1000], Vec::new()),
            ("text first", text.clone(), Vec::new()),
            ("an id3v2 tag first", id3v2.clone(), Vec::new()),
            ("two id3v2 tags first", id3v2.repeat(2), Vec::new()),
            ("an id3v1 tag last", Vec::new(), id3v1.clone()),
            ("an ape tag last", Vec::new(), ape.clone()),
            (
                "ape and id3v1 tags last",
                Vec::new(),
                [&ape[..], &id3v1].concat(),
            ),
            ("zeros last", Vec::new(), vec![0; 5000]),
        ] {
            let bare = ["mp3", "mp3 without xing", "adts", "ac3"].contains(&name);
            // Formats with a header are not recordings if something precedes it.
            if kind.ends_with("first") && !bare && !kind.contains("id3v2") {
                continue;
            }
            if kind.contains("id3v2") && ["m4a", "wav", "ogg", "ac3"].contains(&name) {
                continue;
            }
            rows.push(Made::new(
                format!("{kind}: {name}"),
                extension,
                move |kit, file| {
                    let name = format!("whole-{file}");
                    kit.ffmpeg(&format!("-i speech-4000.wav {arguments} {name}"))?;
                    kit.write(file, &[&before[..], &kit.bytes(&name), &behind].concat());
                    let expected = Expected::parts([Part::All(kit.path(&name))]);
                    // Tags after AC-3 are unusual: a warning is acceptable.
                    Ok(if kind.contains("tag") && extension != "ac3" {
                        expected
                    } else {
                        expected.warning(Warning::May)
                    })
                },
            ));
        }
    }
}

/// Written into a pipe: lengths in headers are unknown.
fn piped(rows: &mut Vec<Made>) {
    for (name, extension, arguments) in [
        ("wav", "wav", "-c:a pcm_s16le -f wav"),
        ("wav float", "wav", "-c:a pcm_f32le -f wav"),
        ("wav mulaw", "wav", "-c:a pcm_mulaw -ar 8000 -f wav"),
        ("rf64", "wav", "-c:a pcm_s16le -rf64 always -f wav"),
        ("au", "au", "-c:a pcm_s16be -f au"),
        ("w64", "w64", "-c:a pcm_s16le -f w64"),
        ("aiff", "aiff", "-c:a pcm_s16be -f aiff"),
        ("caf", "caf", "-c:a pcm_s16le -f caf"),
        ("mp3", "mp3", "-c:a libmp3lame -q:a 4 -f mp3"),
        ("flac", "flac", "-c:a flac -f flac"),
        ("ogg vorbis", "ogg", "-c:a libvorbis -f ogg"),
        ("ogg opus", "opus", "-c:a libopus -f ogg"),
        ("ogg flac", "oga", "-c:a flac -f ogg"),
        ("mkv vorbis", "mkv", "-c:a libvorbis -f matroska"),
        ("mkv pcm", "mkv", "-c:a pcm_s16le -f matroska"),
        ("webm opus", "webm", "-c:a libopus -f webm"),
        (
            "mp4 fragments",
            "mp4",
            "-c:a aac -movflags +frag_keyframe+empty_moov -f mp4",
        ),
        ("ts", "ts", "-c:a aac -f mpegts"),
        ("avi", "avi", "-c:a pcm_s16le -f avi"),
        ("flv", "flv", "-c:a libmp3lame -ar 44100 -f flv"),
        ("wma", "wma", "-c:a wmav2 -f asf"),
        ("wavpack", "wv", "-c:a wavpack -f wv"),
    ] {
        rows.push(Made::new(
            format!("piped: {name}"),
            extension,
            move |kit, file| {
                kit.write(
                    file,
                    &kit.piped(&format!("-i speech-4000.wav {arguments} -"))?,
                );
                let speech = [Part::All(kit.speech(4000))];
                Ok(match name {
                    "rf64" | "w64" | "aiff" => Expected::parts(speech)
                        .warning(Warning::May)
                        .because("ffmpeg does not read what it writes into a pipe"),
                    _ => Expected::like_ffmpeg().made_from(speech),
                })
            },
        ));
    }
}

fn killed_wav(rows: &mut Vec<Made>) {
    const HEADS: &[(&str, u32, u32)] = &[
        ("0 and 0", 0, 0),
        ("36 and 0", 36, 0),
        ("FFFFFFFF and FFFFFFFF", u32::MAX, u32::MAX),
        ("FFFFFFFF and 0", u32::MAX, 0),
        ("0 and FFFFFFFF", 0, u32::MAX),
        ("7FFFFFFF and 7FFFFFDB", 0x7FFF_FFFF, 0x7FFF_FFDB),
        ("80000024 and 80000000", 0x8000_0024, 0x8000_0000),
        ("FFFFFFFF and FFFFFFDB", u32::MAX, 0xFFFF_FFDB),
        (
            "right and 0",
            0x1_0000_0000_u64.wrapping_sub(1) as u32 - 1,
            0,
        ),
    ];
    for (codec, bytes_per_s) in [("pcm_s16le", 32_000), ("pcm_f32le", 64_000)] {
        for (kind, riff, data) in HEADS {
            rows.push(Made::new(
                format!("wav header claims {kind}: {codec}"),
                "wav",
                move |kit, file| {
                    let name = format!("whole-{file}");
                    kit.ffmpeg(&format!(
                        "-i speech-4000.wav -c:a {codec} -ar 16000 -fflags +bitexact {name}"
                    ))?;
                    let mut bytes = kit.bytes(&name);
                    let at = bytes.windows(4).position(|word| word == b"data").unwrap() + 4;
                    if *kind != "right and 0" {
                        bytes[4..8].copy_from_slice(&riff.to_le_bytes());
                    }
                    bytes[at..at + 4].copy_from_slice(&data.to_le_bytes());
                    kit.write(file, &bytes);
                    Ok(Expected::parts([Part::All(kit.path(&name))])
                        .because("all existing data is decoded"))
                },
            ));
        }
        rows.push(Made::new(
            format!("wav with half a frame at its end: {codec}"),
            "wav",
            move |kit, file| {
                let name = format!("whole-{file}");
                kit.ffmpeg(&format!("-i speech-4000.wav -c:a {codec} -ar 16000 {name}"))?;
                kit.write(file, &[&kit.bytes(&name)[..], b"\x01"].concat());
                Ok(Expected::parts([Part::All(kit.path(&name))]).warning(Warning::May))
            },
        ));
        rows.push(Made::new(
            format!("wav header claims too little: {codec}"),
            "wav",
            move |kit, file| {
                let name = format!("whole-{file}");
                kit.ffmpeg(&format!(
                    "-i speech-4000.wav -c:a {codec} -ar 16000 -fflags +bitexact {name}"
                ))?;
                let mut bytes = kit.bytes(&name);
                let at = bytes.windows(4).position(|word| word == b"data").unwrap() + 4;
                bytes[at..at + 4].copy_from_slice(&(bytes_per_s as u32).to_le_bytes());
                kit.write(file, &bytes);
                // The header of a recorder that updates it every second.
                Ok(Expected::parts([Part::All(kit.path(&name))])
                    .warning(Warning::May)
                    .or(Expected::parts([Part::Cut(kit.path(&name), 0.0, 1.0)])
                        .warning(Warning::Must))
                    .because("data after it is decoded or a warning is given"))
            },
        ));
    }
}

#[test]
fn damaged_files_are_decoded_with_a_warning() {
    let mut rows = Vec::new();
    cut(&mut rows);
    damaged(&mut rows);
    made::check_rows("damage", rows);
}

#[test]
fn unknown_lengths_and_surrounding_data_are_harmless() {
    let mut rows = Vec::new();
    surrounded(&mut rows);
    piped(&mut rows);
    killed_wav(&mut rows);
    made::check_rows("headers", rows);
}
