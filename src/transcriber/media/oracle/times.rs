//! Presentation times of audio that begins later than the video, has gaps, or has
//! an edit list.

use super::expected::{Expected, Part};
use super::kit::Kit;
use super::made::{self, Made};
use super::mp4;
use super::reference::Times;

/// A container with video.
struct Movie {
    name: &'static str,
    extension: &'static str,
    picture: &'static str,
    sound: &'static str,
    rate: u32,
}

const fn movie(
    name: &'static str,
    extension: &'static str,
    picture: &'static str,
    sound: &'static str,
    rate: u32,
) -> Movie {
    Movie {
        name,
        extension,
        picture,
        sound,
        rate,
    }
}

const MOVIES: &[Movie] = &[
    movie("mkv aac", "mkv", "mpeg4", "aac", 44100),
    movie("mkv opus", "mkv", "mpeg4", "libopus", 48000),
    movie("mkv vorbis", "mkv", "mpeg4", "libvorbis", 44100),
    movie("mkv mp3", "mkv", "mpeg4", "libmp3lame", 44100),
    movie("mkv pcm", "mkv", "mpeg4", "pcm_s16le", 48000),
    movie("mkv flac", "mkv", "mpeg4", "flac", 48000),
    movie("mkv ac3", "mkv", "mpeg4", "ac3", 48000),
    movie(
        "webm opus",
        "webm",
        "libvpx -deadline realtime -cpu-used 8",
        "libopus",
        48000,
    ),
    movie(
        "webm vorbis",
        "webm",
        "libvpx -deadline realtime -cpu-used 8",
        "libvorbis",
        48000,
    ),
    movie("mp4 aac", "mp4", "mpeg4", "aac", 44100),
    movie("mp4 mp3", "mp4", "mpeg4", "libmp3lame", 44100),
    movie(
        "mp4 faststart",
        "mp4",
        "mpeg4 -movflags +faststart",
        "aac",
        48000,
    ),
    movie(
        "mp4 fragments",
        "mp4",
        "mpeg4 -g 10 -movflags +frag_keyframe+empty_moov",
        "aac",
        48000,
    ),
    movie(
        "mp4 delayed moov",
        "mp4",
        "mpeg4 -g 10 -movflags +frag_keyframe+delay_moov",
        "aac",
        48000,
    ),
    movie("mov pcm", "mov", "mpeg4", "pcm_s16le", 48000),
    movie("mov aac", "mov", "mpeg4", "aac", 44100),
    movie("mov alac", "mov", "mpeg4", "alac", 44100),
    movie("ts mp2", "ts", "mpeg2video -r 25", "mp2", 48000),
    movie("ts aac", "ts", "mpeg2video -r 25", "aac", 48000),
    movie("ts ac3", "ts", "mpeg2video -r 25", "ac3", 48000),
    movie("mpg mp2", "mpg", "mpeg2video -r 25", "mp2", 48000),
    movie("avi mp3", "avi", "mpeg4", "libmp3lame", 44100),
    movie("avi pcm", "avi", "mpeg4", "pcm_s16le", 44100),
    movie("flv mp3", "flv", "flv", "libmp3lame", 44100),
    movie("flv aac", "flv", "flv", "aac", 44100),
    movie("asf wma", "asf", "msmpeg4", "wmav2", 44100),
];

const PICTURE: &str = "-f lavfi -i testsrc=size=64x48:rate=10:duration=7";

/// Audio only, with lost packets.
const GAPPED: &[(&str, &str, &str, u32)] = &[
    ("webm opus", "webm", "libopus", 48000),
    ("webm vorbis", "webm", "libvorbis", 48000),
    ("mkv aac", "mka", "aac", 44100),
    ("mkv mp3", "mka", "libmp3lame", 44100),
    ("mkv flac", "mka", "flac", 48000),
    ("mkv pcm", "mka", "pcm_s16le", 48000),
    ("mkv ac3", "mka", "ac3", 48000),
    ("m4a aac", "m4a", "aac", 44100),
    ("m4a alac", "m4a", "alac", 44100),
    ("mp4 opus", "mp4", "libopus -strict -2", 48000),
    (
        "mp4 fragments aac",
        "mp4",
        "aac -movflags +frag_keyframe+empty_moov -frag_duration 400000",
        48000,
    ),
    ("mov aac", "mov", "aac", 44100),
    ("ogg opus", "opus", "libopus", 48000),
    ("ogg vorbis", "ogg", "libvorbis", 48000),
    ("ts aac", "ts", "aac", 48000),
    ("ts mp2", "ts", "mp2", 48000),
    ("ts ac3", "ts", "ac3", 48000),
    ("flv mp3", "flv", "libmp3lame", 44100),
    ("asf wma", "asf", "wmav2", 44100),
];

fn late(rows: &mut Vec<Made>) {
    for movie in MOVIES {
        // AVI has no timestamps, and ffmpeg's muxer writes no silence.
        let late: &[f64] = if movie.extension == "avi" {
            &[]
        } else {
            &[0.4, 2.3]
        };
        for late_s in late {
            rows.push(Made::new(
                format!("late by {late_s} s: {}", movie.name),
                movie.extension,
                move |kit, file| {
                    kit.ffmpeg(&format!(
                        "{PICTURE} -itsoffset {late_s} -i speech-4000.wav -map 0:v -map 1:a -c:v {} \
                         -c:a {} -ar {} {file}",
                        movie.picture, movie.sound, movie.rate
                    ))?;
                    Ok(Expected::track(0, Times::Kept).made_from([
                        Part::Silence(*late_s),
                        Part::All(kit.speech(4000)),
                    ]))
                },
            ));
        }
        rows.push(Made::new(
            format!("picture late: {}", movie.name),
            movie.extension,
            move |kit, file| {
                kit.ffmpeg(&format!(
                    "-itsoffset 1.2 {PICTURE} -i speech-4000.wav -map 0:v -map 1:a -c:v {} \
                     -c:a {} -ar {} {file}",
                    movie.picture, movie.sound, movie.rate
                ))?;
                Ok(Expected::track(0, Times::Kept).made_from([Part::All(kit.speech(4000))]))
            },
        ));
    }
}

/// Drops the packets from `start_s` to `end_s`; times stay.
fn drop(kit: &Kit, from: &str, to: &str, gaps_s: &[(f64, f64)]) -> Result<(), String> {
    let gaps: Vec<String> = gaps_s
        .iter()
        .map(|(start_s, end_s)| format!("between(pts*tb,{start_s},{end_s})"))
        .collect();
    // One timestamp for many packets could not show where the gap is.
    let pages = match from.rsplit('.').next() {
        Some("ogg" | "opus") => "-page_duration 1",
        Some("ts") => "-pes_payload_size 0",
        _ => "",
    };
    kit.ffmpeg(&format!(
        "-i {from} -map 0:a -c copy -bsf:a 'noise=drop=({})' {pages} {to}",
        gaps.join("+").replace(',', "\\,")
    ))
}

fn gaps(rows: &mut Vec<Made>) {
    for (name, extension, sound, rate) in GAPPED {
        for (kind, gaps_s) in [
            ("a gap", &[(2.0, 3.5)][..]),
            ("a short gap", &[(2.0, 2.15)]),
            ("three gaps", &[(1.0, 1.6), (2.5, 4.0), (5.0, 5.4)]),
        ] {
            rows.push(Made::new(
                format!("{kind}: {name}"),
                extension,
                move |kit, file| {
                    let whole = format!("whole-{file}");
                    kit.ffmpeg(&format!(
                        "-i speech-7000.wav -c:a {sound} -ar {rate} {whole}"
                    ))?;
                    drop(kit, &whole, file, gaps_s)?;
                    let mut truth = Vec::new();
                    let mut at_s = 0.0;
                    for (start_s, end_s) in gaps_s {
                        truth.push(Part::Cut(kit.speech(7000), at_s, *start_s));
                        truth.push(Part::Silence(end_s - start_s));
                        at_s = *end_s;
                    }
                    truth.push(Part::Cut(kit.speech(7000), at_s, 7.0));
                    Ok(Expected::track(0, Times::Kept)
                        .with_seams()
                        .made_from(truth))
                },
            ));
        }
    }
    // Longer than the jitter that players hide.
    for (name, extension, sound) in [
        ("webm opus", "webm", "libopus"),
        ("mkv mp3", "mka", "libmp3lame"),
        ("m4a aac", "m4a", "aac"),
        ("ts aac", "ts", "aac"),
        ("ogg opus", "opus", "libopus"),
    ] {
        rows.push(Made::new(
            format!("a gap of 20 s: {name}"),
            extension,
            move |kit, file| {
                let whole = format!("whole-{file}");
                kit.ffmpeg(&format!(
                    "-i speech-40000.wav -c:a {sound} -ar 48000 -t 34 {whole}"
                ))?;
                drop(kit, &whole, file, &[(5.0, 25.0)])?;
                Ok(Expected::track(0, Times::Kept).with_seams().made_from([
                    Part::Cut(kit.speech(40_000), 0.0, 5.0),
                    Part::Silence(20.0),
                    Part::Cut(kit.speech(40_000), 25.0, 34.0),
                ]))
            },
        ));
    }
}

/// The recorder's clock did not begin at zero.
fn offsets(rows: &mut Vec<Made>) {
    for (name, extension, sound) in [
        ("webm opus", "webm", "libopus"),
        ("mkv mp3", "mka", "libmp3lame"),
        ("ts aac", "ts", "aac"),
        ("ogg opus", "opus", "libopus"),
        ("ogg vorbis", "ogg", "libvorbis"),
        ("m4a aac", "m4a", "aac"),
        (
            "mp4 fragments aac",
            "mp4",
            "aac -movflags +frag_keyframe+empty_moov",
        ),
        ("flv mp3", "flv", "libmp3lame"),
    ] {
        for clock_s in ["5", "100"] {
            rows.push(Made::new(
                format!("clock starts at {clock_s} s: {name}"),
                extension,
                move |kit, file| {
                    kit.ffmpeg(&format!(
                        "-i speech-4000.wav -c:a {sound} -ar 44100 -output_ts_offset {clock_s} {file}"
                    ))
                    .or_else(|_| {
                        kit.ffmpeg(&format!(
                            "-i speech-4000.wav -c:a {sound} -ar 48000 -output_ts_offset {clock_s} {file}"
                        ))
                    })?;
                    let like_ffmpeg =
                        Expected::like_ffmpeg().made_from([Part::All(kit.speech(4000))]);
                    if extension != "m4a" {
                        return Ok(like_ffmpeg);
                    }
                    let clock_s = clock_s.parse().map_err(|_| "no number")?;
                    // The audio of the same file without an offset.
                    let whole = format!("whole-{file}");
                    kit.ffmpeg(&format!(
                        "-i speech-4000.wav -c:a {sound} -ar 44100 {whole}"
                    ))?;
                    Ok(like_ffmpeg
                        .or(Expected::parts([
                            Part::Silence(clock_s),
                            Part::All(kit.path(&whole)),
                        ]))
                        .because("its edit list says silence, which ffmpeg leaves out"))
                },
            ));
        }
    }
}

fn edits(rows: &mut Vec<Made>) {
    for (name, extension, sound) in [
        ("m4a aac", "m4a", "aac"),
        ("m4a alac", "m4a", "alac"),
        ("mp4 mp3", "mp4", "libmp3lame"),
        ("mov pcm", "mov", "pcm_s16le"),
        ("mov mulaw", "mov", "pcm_mulaw"),
        ("mp4 faststart", "mp4", "aac -movflags +faststart"),
    ] {
        for (start_s, end_s) in [(1.3, 3.8), (0.011, 6.0), (4.7, 6.9)] {
            rows.push(Made::new(
                format!("trimmed to {start_s}..{end_s} s: {name}"),
                extension,
                move |kit, file| {
                    let whole = format!("whole-{file}");
                    kit.ffmpeg(&format!(
                        "-i speech-7000.wav -c:a {sound} -ar 44100 {whole}"
                    ))?;
                    kit.ffmpeg(&format!(
                        "-ss {start_s} -i {whole} -t {} -c copy {file}",
                        end_s - start_s
                    ))?;
                    Ok(Expected::like_ffmpeg().made_from([Part::Cut(
                        kit.speech(7000),
                        start_s,
                        end_s,
                    )]))
                },
            ));
        }
        // Time scales as ffmpeg writes them: 1000 for the movie, 44100 for the
        // track.
        for (kind, edits, truth) in [
            (
                "two parts",
                vec![(1000, 22_050), (1500, 4 * 44_100)],
                vec![(0.5, 1.5), (4.0, 5.5)],
            ),
            (
                "out of order",
                vec![(1500, 4 * 44_100), (1000, 22_050)],
                vec![(4.0, 5.5), (0.5, 1.5)],
            ),
            (
                "silence in between",
                vec![(1000, 22_050), (700, -1), (1500, 4 * 44_100)],
                vec![(0.5, 1.5), (-1.0, 0.7), (4.0, 5.5)],
            ),
            (
                "silence first",
                vec![(800, -1), (2000, 44_100)],
                vec![(-1.0, 0.8), (1.0, 3.0)],
            ),
        ] {
            rows.push(Made::new(
                format!("edit list, {kind}: {name}"),
                extension,
                move |kit, file| {
                    let whole = format!("whole-{file}");
                    // `moov` after the data, so that it may grow.
                    let sound = sound.replace(" -movflags +faststart", "");
                    kit.ffmpeg(&format!(
                        "-i speech-7000.wav -c:a {sound} -ar 44100 {whole}"
                    ))?;
                    kit.write(file, &mp4::with_edits(&kit.bytes(&whole), &edits));
                    let truth: Vec<Part> = truth
                        .iter()
                        .map(|(start_s, end_s)| match start_s {
                            -1.0 => Part::Silence(*end_s),
                            _ => Part::Cut(kit.path(&whole), *start_s, *end_s),
                        })
                        .collect();
                    Ok(Expected::parts(truth).with_seams())
                },
            ));
        }
    }
}

#[test]
fn audio_keeps_its_times() {
    let mut rows = Vec::new();
    late(&mut rows);
    gaps(&mut rows);
    offsets(&mut rows);
    edits(&mut rows);
    made::check_rows("times", rows);
}
