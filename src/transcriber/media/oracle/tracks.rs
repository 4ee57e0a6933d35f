//! Selection of tracks, and downmix of their channels.

use super::expected::{Expected, Part, Warning};
use super::made::{self, Made};
use super::reference::Times;

const PICTURE: &str = "-f lavfi -i testsrc=size=64x48:rate=10:duration=4";

fn several_tracks(rows: &mut Vec<Made>) {
    for (name, extension, sound) in [
        ("mkv aac", "mkv", "aac -ar 48000"),
        ("mkv opus", "mkv", "libopus"),
        ("mkv pcm", "mkv", "pcm_s16le"),
        ("webm opus", "webm", "libopus"),
        ("mp4 aac", "mp4", "aac -ar 48000"),
        ("mov pcm", "mov", "pcm_s16le"),
        ("ts mp2", "ts", "mp2"),
        ("avi pcm", "avi", "pcm_s16le"),
    ] {
        let two = "-i speech-4000.wav -ss 6 -t 5 -i speech-12000.wav";
        let silent = "-f lavfi -t 4 -i anullsrc=r=48000:cl=stereo -i speech-4000.wav";
        rows.push(Made::new(
            format!("two tracks: {name}"),
            extension,
            move |kit, file| {
                kit.ffmpeg(&format!("{two} -map 0 -map 1 -c:a {sound} {file}"))?;
                Ok(Expected::like_ffmpeg().made_from([Part::All(kit.speech(4000))]))
            },
        ));
        // Other formats have no such flag.
        if !["ts", "avi"].contains(&extension) {
            rows.push(Made::new(
                format!("two tracks, the second is the default: {name}"),
                extension,
                move |kit, file| {
                    kit.ffmpeg(&format!(
                        "{two} -map 0 -map 1 -c:a {sound} -disposition:a:0 0 \
                         -disposition:a:1 default {file}"
                    ))?;
                    Ok(Expected::track(1, Times::Mended)
                        .made_from([Part::Cut(kit.speech(12_000), 6.0, 11.0)])
                        .because("the second track is the default"))
                },
            ));
        }
        rows.push(Made::new(
            format!("two tracks, the first is silent: {name}"),
            extension,
            move |kit, file| {
                kit.ffmpeg(&format!("{silent} -map 0 -map 1 -c:a {sound} {file}"))?;
                Ok(Expected::track(1, Times::Mended)
                    .warning(Warning::May)
                    .made_from([Part::All(kit.speech(4000))])
                    .because("the first track is silent"))
            },
        ));
        rows.push(Made::new(
            format!("two tracks, the second is silent: {name}"),
            extension,
            move |kit, file| {
                kit.ffmpeg(&format!("{silent} -map 1 -map 0 -c:a {sound} {file}"))?;
                Ok(Expected::like_ffmpeg().made_from([Part::All(kit.speech(4000))]))
            },
        ));
        rows.push(Made::new(
            format!("only silence: {name}"),
            extension,
            move |kit, file| {
                kit.ffmpeg(&format!("{silent} -map 0 -c:a {sound} {file}"))?;
                Ok(Expected::like_ffmpeg()
                    .warning(Warning::May)
                    .made_from([Part::Silence(4.0)]))
            },
        ));
    }
}

/// Pictures, subtitles and chapters beside the audio.
fn other_tracks(rows: &mut Vec<Made>) {
    for (name, extension, arguments) in [
        ("mp3", "mp3", "-c:a libmp3lame -id3v2_version 3"),
        ("m4a", "m4a", "-c:a aac"),
        ("flac", "flac", "-c:a flac"),
        ("mka", "mka", "-c:a libvorbis"),
        ("wma", "wma", "-c:a wmav2"),
        ("aiff", "aiff", "-c:a pcm_s16be -write_id3v2 1"),
    ] {
        rows.push(Made::new(
            format!("with a cover: {name}"),
            extension,
            move |kit, file| {
                let picture = format!("cover-{name}.png");
                kit.ffmpeg(&format!(
                    "-f lavfi -i testsrc=size=900x900:duration=1 -frames:v 1 {picture}"
                ))?;
                kit.ffmpeg(&format!(
                    "-i speech-4000.wav -i {picture} -map 0 -map 1 -c:v copy \
                     -disposition:v attached_pic {arguments} {file}"
                ))?;
                Ok(Expected::like_ffmpeg().made_from([Part::All(kit.speech(4000))]))
            },
        ));
    }
    for (name, extension, arguments) in [
        ("mp4", "mp4", "-c:v mpeg4 -c:a aac -c:s mov_text"),
        ("mov", "mov", "-c:v mpeg4 -c:a pcm_s16le -c:s mov_text"),
        ("mkv", "mkv", "-c:v mpeg4 -c:a libvorbis -c:s srt"),
        (
            "webm",
            "webm",
            "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus -c:s webvtt",
        ),
    ] {
        rows.push(Made::new(
            format!("with subtitles and chapters: {name}"),
            extension,
            move |kit, file| {
                let subtitles = format!("{name}.srt");
                let chapters = format!("{name}.txt");
                kit.write(
                    &subtitles,
                    b"1\n00:00:01,000 --> 00:00:02,000\nbarges\n\n2\n00:00:03,000 --> 00:00:03,500\nsalt\n",
                );
                kit.write(
                    &chapters,
                    b";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=one\n\
                      [CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=two\n",
                );
                kit.ffmpeg(&format!(
                    "{PICTURE} -i speech-4000.wav -i {subtitles} -i {chapters} -map 0 -map 1 -map 2 \
                     -map_metadata 3 {arguments} {file}"
                ))?;
                Ok(Expected::like_ffmpeg().made_from([Part::All(kit.speech(4000))]))
            },
        ));
    }
}

fn channels(rows: &mut Vec<Made>) {
    for (name, extension, sound) in [
        ("wav", "wav", "pcm_s16le"),
        ("flac", "flac", "flac"),
        ("m4a aac", "m4a", "aac -b:a 192k"),
        ("ogg opus", "opus", "libopus -b:a 192k"),
        ("ogg vorbis", "ogg", "libvorbis -q:a 6"),
        ("ac3", "ac3", "ac3"),
    ] {
        // The fourth channel is LFE, which carries no speech.
        for channel in [0, 1, 2, 4, 5] {
            rows.push(Made::new(
                format!("5.1, only channel {channel} speaks: {name}"),
                extension,
                move |kit, file| {
                    let channels: Vec<String> = (0..6)
                        .map(|other| format!("c{other}={}*c0", u8::from(other == channel)))
                        .collect();
                    kit.ffmpeg(&format!(
                        "-i speech-4000.wav -af 'pan=5.1|{}' -ar 48000 -c:a {sound} {file}",
                        channels.join("|")
                    ))?;
                    Ok(Expected::channel(channel).made_from([Part::All(kit.speech(4000))]))
                },
            ));
        }
    }
    for (name, extension, sound) in [
        ("wav", "wav", "pcm_s16le"),
        ("flac", "flac", "flac"),
        ("mp3", "mp3", "libmp3lame -b:a 192k"),
        (
            "mp3 separate",
            "mp3",
            "libmp3lame -b:a 192k -joint_stereo 0",
        ),
        ("m4a aac", "m4a", "aac -b:a 192k"),
        ("ogg opus", "opus", "libopus -b:a 192k"),
        ("ogg vorbis", "ogg", "libvorbis -q:a 6"),
        ("wma", "wma", "wmav2 -b:a 192k"),
    ] {
        for (kind, pan, channel) in [
            ("only left", "c0=c0|c1=0*c0", 0),
            ("only right", "c0=0*c0|c1=c0", 1),
            ("right inverted", "c0=c0|c1=-1*c0", 0),
            ("right nearly inverted", "c0=0.8*c0|c1=-0.79*c0", 0),
            ("right inverted and fainter", "c0=0.8*c0|c1=-0.4*c0", 0),
        ] {
            rows.push(Made::new(
                format!("{kind}: {name}"),
                extension,
                move |kit, file| {
                    kit.ffmpeg(&format!(
                        "-i speech-4000.wav -af 'pan=stereo|{pan}' -ar 48000 -c:a {sound} {file}"
                    ))?;
                    let expected =
                        Expected::channel(channel).made_from([Part::All(kit.speech(4000))]);
                    Ok(if kind.contains("inverted") {
                        expected.because("ffmpeg's mix is silence or nearly so")
                    } else {
                        expected
                    })
                },
            ));
        }
        rows.push(Made::new(
            format!("another voice in each channel: {name}"),
            extension,
            move |kit, file| {
                kit.ffmpeg(&format!(
                    "-i speech-4000.wav -ss 6 -t 4 -i speech-12000.wav \
                     -filter_complex '[0][1]amerge' -ar 48000 -c:a {sound} {file}"
                ))?;
                Ok(Expected::like_ffmpeg())
            },
        ));
    }
}

#[test]
fn the_right_track_is_decoded_with_all_channels() {
    let mut rows = Vec::new();
    several_tracks(&mut rows);
    other_tracks(&mut rows);
    channels(&mut rows);
    made::check_rows("tracks", rows);
}
