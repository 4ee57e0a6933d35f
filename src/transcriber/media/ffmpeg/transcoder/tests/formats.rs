//! Formats, timestamps, tracks and damage, with the installed ffmpeg.

use super::*;

fn adaptive_multi_rate() -> File {
    let mut input = SPOKEN.try_clone().unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    let output = Command::new("sox")
        .args("-t wav - -t amr-nb -r 8000 -c 1 -".split(' '))
        .stdin(input)
        .output()
        .expect("sox is needed for this test");
    assert!(output.status.success(), "{output:?}");
    testing::file(&output.stdout)
}

#[test]
fn every_format_has_the_right_length_and_channels() {
    let amr = adaptive_multi_rate();
    let surround = "-af pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0";
    let whole_s = testing::decoded(&SPOKEN).len() as f64 / f64::from(SAMPLE_RATE);
    let mut failed = Vec::new();
    for (file, container, codec, channels, mask) in [
        (amr.try_clone().unwrap(), "amr", "amr_nb", 1, 0x4),
        // As telephones write it: `moov` at the end.
        (
            testing::converted(&amr, &["-c", "copy", "-f", "3gp"]),
            "3gp",
            "amr_nb",
            1,
            0x4,
        ),
        (spoken("-f asf -c:a wmav2 -ac 2"), "asf", "wmav2", 2, 0x3),
        (spoken("-f avi -c:a mp3"), "avi", "mp3", 1, 0x4),
        (spoken("-f mpegts -c:a aac"), "mpegts", "aac", 1, 0x4),
        (
            spoken(&format!("{surround} -f ac3 -ar 48000")),
            "ac3",
            "ac3",
            6,
            0x60f,
        ),
        (spoken("-f eac3 -ar 48000"), "eac3", "eac3", 1, 0x4),
        (
            spoken(&format!("{surround} -f mp4 -c:a aac")),
            "mp4",
            "aac",
            6,
            0x3f,
        ),
        (
            spoken("-f ogg -c:a libspeex -ar 16000"),
            "ogg",
            "speex",
            1,
            // From libspeex, which does not state positions.
            0x4,
        ),
        (spoken("-f wv"), "wv", "wavpack", 1, 0x4),
        (spoken("-f tta"), "tta", "tta", 1, 0),
        (
            spoken("-f wav -c:a libgsm_ms -ar 8000"),
            "wav",
            "gsm_ms",
            1,
            0x4,
        ),
        (
            spoken("-f wav -c:a g722 -ar 16000"),
            "wav",
            "adpcm_g722",
            1,
            0x4,
        ),
        (
            spoken("-f wav -c:a g726 -ar 8000"),
            "wav",
            "adpcm_g726",
            1,
            0x4,
        ),
        (spoken("-f gsm -ar 8000"), "gsm", "gsm", 1, 0x4),
        (
            spoken("-f dts -strict -2 -ar 48000 -ac 2"),
            "dts",
            "dts",
            2,
            0x3,
        ),
        (
            spoken("-f mxf_opatom -ar 48000"),
            "mxf",
            "pcm_s16le",
            1,
            0x4,
        ),
        // Its packet table is at the end.
        (spoken("-f caf -c:a alac"), "caf", "alac", 1, 0x4),
    ] {
        let found = match transcode(&file) {
            Ok(found) => found,
            Err(error) => {
                failed.push(format!("{container}/{codec}: {error}"));
                continue;
            }
        };
        let input = found.input.clone().unwrap();
        let is = (
            &*input.container,
            &*input.tracks[0].codec,
            found.channels,
            found.mask,
        );
        if is != (container, codec, channels, mask) {
            failed.push(format!("{container}/{codec}: {is:x?}"));
        }
        if (found.length_s() - whole_s).abs() > TOLERANCE_S {
            failed.push(format!(
                "{container}/{codec}: {} s of {whole_s}",
                found.length_s()
            ));
        }
        if found.trouble.damaged_packets > 0 || found.trouble.stopped_early.is_some() {
            failed.push(format!("{container}/{codec}: {:?}", found.trouble));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// ffmpeg cannot decode the packets of silence.
#[test]
fn discontinuous_transmission_is_not_damage() {
    const SILENCE: &[u8] = b"\x44\0\0\0\0\0\x7c\x7c\x7c\x7c\x7c\x7c\x7c";
    // 4.75 kbit/s: 13 bytes for 20 ms.
    let content = testing::bytes(&adaptive_multi_rate());
    let speech = &content[6..6 + 50 * 13];
    let pause = SILENCE.repeat(50);
    let bare = testing::file(&[&content[..6], speech, &pause, speech].concat());
    let found = transcode(&bare).unwrap();
    assert!(
        (found.length_s() - 10.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
    assert_eq!(found.trouble, DecodeReport::default());
    assert_eq!(found.loud()[2..8], [0; 6]);
    // The container includes the silence at the end.
    let bare = testing::file(&[&content[..6], speech, &pause].concat());
    let found = transcode(&testing::converted(&bare, &["-c", "copy", "-f", "3gp"])).unwrap();
    assert!(
        (found.length_s() - 9.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
}

#[test]
fn timestamps_are_preserved() {
    let with_picture = format!(
        "-f lavfi -i testsrc=d=6:s=64x64:r=10 -itsoffset 2 {TONE}=3 -c:v mpeg2video -c:a mp2"
    );
    let gap = format!("{TONE}=50 -af aselect='not(between(t,2,40))' -c:a mp2");
    let pause = format!("{TONE}=4 -af asetpts=PTS+gte(T\\,2)*1200/TB -c:a mp2");
    let mut pause_loud = vec![0; 1204];
    pause_loud[..2].fill(10);
    pause_loud[1202..].fill(10);
    let mut gap_loud = vec![0; 50];
    gap_loud[..2].fill(10);
    gap_loud[40..].fill(10);
    for (file, loud) in [
        // Audio that begins after the video.
        (made(&with_picture, "late.ts"), vec![0, 0, 10, 10, 10]),
        (made(&with_picture, "late.mkv"), vec![0, 0, 10, 10, 10]),
        // Audio alone, with a clock that does not begin at 0.
        (
            made(
                &format!("-itsoffset 100 {TONE}=3 -copyts -c:a mp2"),
                "late.mkv",
            ),
            vec![10, 10, 10],
        ),
        (
            made(
                &format!("-itsoffset 100 {TONE}=3 -copyts -c:a mp2"),
                "late.ts",
            ),
            vec![10, 10, 10],
        ),
        (made(&gap, "gap.mkv"), gap_loud.clone()),
        (made(&gap, "gap.ts"), gap_loud),
        (made(&pause, "pause.mkv"), pause_loud),
    ] {
        let mut found = transcode(&file).unwrap().loud();
        // The last frame of an encoder.
        found.truncate(loud.len());
        let near = found
            .iter()
            .zip(&loud)
            .all(|(one, other)| one.abs_diff(*other) <= 1);
        assert!(near && found.len() == loud.len(), "{found:?}, not {loud:?}");
    }
}

/// Longer than ffmpeg's buffer of a pipe, so that it cannot seek back.
#[test]
fn moov_may_be_at_the_end() {
    let file = made(&format!("{TONE}=120 -c:a aac -b:a 256k"), "behind.m4a");
    let content = testing::bytes(&file);
    let find = |kind: &[u8]| content.windows(4).position(|part| part == kind);
    assert!(find(b"mdat") < find(b"moov") && content.len() > 1024 * 1024);
    let found = transcode(&file).unwrap();
    assert!(
        (found.length_s() - 120.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
    assert!(found.loud()[..120].iter().all(|loud| *loud >= 9));
}

#[test]
fn a_clock_reset_loses_nothing() {
    let one = testing::bytes(&made(&format!("{TONE}=3 -c:a mp2"), "one.ts"));
    let found = transcode(&testing::file(&one.repeat(3))).unwrap();
    assert!(
        (found.length_s() - 9.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
    assert!(found.loud().iter().take(9).all(|loud| *loud >= 9));
}

#[test]
fn one_of_several_tracks_is_selected() {
    let arguments = format!(
        "{TONE}=1 {TONE}=2 -f lavfi -i testsrc=d=2:s=64x64:r=10 -map 2 -map 0 -map 1 -c:v mpeg4 \
         -c:a ac3 -ac:a:1 2 -metadata:s:a:1 language=deu -disposition:a:1 default -disposition:a:0 0"
    );
    let file = made(&arguments, "two.mkv");
    for (track, length_s) in [(0, 1.0), (1, 2.0)] {
        let options = Options { track, ..OPTIONS };
        let found = run(Transcoder::start(&real(), &source(&file), options).unwrap()).unwrap();
        assert!((found.length_s() - length_s).abs() < TOLERANCE_S);
        let input = found.input.unwrap();
        assert_eq!(input.others, "1 video track");
        assert!((input.duration_s.unwrap() - 2.0).abs() < TOLERANCE_S);
        let track = |channels, is_default, language: Option<&str>| Track {
            codec: "ac3".to_owned(),
            sample_rate: Some(48_000),
            channels: Some(channels),
            is_default,
            language: language.map(str::to_owned),
        };
        assert_eq!(
            input.tracks,
            [track(1, false, None), track(2, true, Some("deu"))]
        );
    }
    let silent = made(
        "-f lavfi -i testsrc=d=1:s=64x64:r=10 -c:v mpeg4",
        "silent.avi",
    );
    let error = transcode(&silent).err().unwrap();
    assert!(
        matches!(&error, MediaError::NoAudioTrack(others) if others == "1 video track"),
        "{error}"
    );
}

#[test]
fn lengths_are_bounded() {
    let file = made(&format!("{TONE}=20 -c:a ac3"), "long.ac3");
    let options = Options {
        length_max_s: 5,
        ..OPTIONS
    };
    let found = run(Transcoder::start(&real(), &source(&file), options).unwrap()).unwrap();
    assert_eq!(found.length_s(), 5.0);
}

#[test]
fn damage_is_counted_and_survived() {
    let file = made(&format!("{TONE}=20 -c:a ac3"), "long.ac3");
    let mut content = testing::bytes(&file);
    let middle = content.len() / 2;
    content[middle..middle + 4000].fill(0x55);
    let found = transcode(&testing::file(&content)).unwrap();
    assert!(found.trouble.damaged_packets > 0, "{:?}", found.trouble);
    assert!(
        (found.length_s() - 20.0).abs() < 1.0,
        "{} s",
        found.length_s()
    );
    content.truncate(middle);
    let found = transcode(&testing::file(&content)).unwrap();
    assert!((found.length_s() - 10.0).abs() < TOLERANCE_S);
}

#[test]
fn other_files_are_refused_with_a_reason() {
    for content in [&b"Dear Sir or Madam"[..], &[0; 100_000], b"#!AMR\n", b""] {
        let error = transcode(&testing::file(content)).err().unwrap();
        assert!(matches!(error, MediaError::Ffmpeg(_)), "{error}");
        let text = error.to_string();
        assert!(!text.contains("pipe:") && !text.contains(": ;"), "{text}");
    }
}
