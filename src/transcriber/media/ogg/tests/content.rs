//! Content of files: codecs, tracks, headers.

use super::*;

#[test]
fn output_matches_ffmpeg() {
    for (arguments, rate) in [
        (&["-c:a", "libopus"][..], 48_000),
        (
            &["-c:a", "libopus", "-ac", "2", "-frame_duration", "60"],
            48_000,
        ),
        (&["-c:a", "libopus", "-frame_duration", "2.5"], 48_000),
        (&["-c:a", "libopus", "-page_duration", "20000"], 48_000),
        (&["-c:a", "libvorbis"], 22_050),
        (
            &["-c:a", "libvorbis", "-ac", "2", "-ar", "44100", "-q:a", "6"],
            44_100,
        ),
        (&["-c:a", "libvorbis", "-page_duration", "10000"], 22_050),
        (&["-c:a", "flac"], 22_050),
        (
            &["-c:a", "flac", "-ac", "2", "-page_duration", "100000"],
            22_050,
        ),
    ] {
        let content = ogg(arguments);
        let output = output(&content);
        let expected = ffmpeg(&content, rate);
        let name = format!("{arguments:?}");
        assert_eq!(output.rate, rate, "{name}");
        assert_same(&output.samples, &expected, rate, &name);
        assert!(output.lost.is_empty() && output.damaged == 0, "{output:?}");
        assert!(!output.cut_short && output.end_bytes.is_none());
        let reader = open(&content).unwrap();
        let claimed_s = reader.tracks()[0].duration_s.unwrap();
        assert!(
            (claimed_s - output.seconds()).abs() < 0.001,
            "{name}: {claimed_s}"
        );
        assert_eq!(reader.others(), "");
    }
}

#[test]
fn each_track_can_be_selected() {
    let arguments = [
        "-i",
        "SPEECH",
        "-f",
        "lavfi",
        "-i",
        "sine=440:duration=3",
        "-map",
        "1:a",
        "-map",
        "0:a",
        "-c:a:0",
        "libvorbis",
        "-c:a:1",
        "libopus",
    ];
    let content = made(&arguments);
    let reader = open(&content).unwrap();
    let names: Vec<&str> = reader.tracks().iter().map(|track| &*track.codec).collect();
    assert_eq!(names, ["vorbis", "opus"]);
    let speech = output(&ogg(&["-c:a", "libopus"]));
    assert_same(&play(reader, 1).samples, &speech.samples, 48_000, "second");
    let sine = play(open(&content).unwrap(), 0);
    assert!((sine.seconds() - 3.0).abs() < 0.01);
}

#[test]
fn unsupported_codecs_are_named() {
    let speex = ogg(&["-c:a", "libspeex", "-ar", "16000"]);
    let surround = ogg(&["-c:a", "libopus", "-ac", "6"]);
    let pcm = page(
        7,
        0,
        2,
        0,
        &[b"PCM     \0\0\0\0\0\0\0\x02\0\0\xac\x44\x10\x02\0\0\0\0\0\0\0\0"],
    );
    for (content, codec, channels, known) in [
        (speex, "Speex", 1, false),
        (surround, "opus", 6, true),
        (pcm, "PCM in Ogg", 0, false),
        (page(7, 0, 2, 0, &[b"CELT    "]), "CELT", 0, false),
    ] {
        let reader = open(&content).unwrap();
        let track = &reader.tracks()[0];
        assert_eq!(track.codec, codec);
        let has = track
            .parameters
            .channels
            .as_ref()
            .map_or(0, |channels| channels.count());
        assert_eq!(has, channels, "{codec}");
        let null = symphonia::core::codecs::audio::CODEC_ID_NULL_AUDIO;
        assert_eq!(track.parameters.codec != null, known, "{codec}");
        assert!(codec::decoder(&track.parameters).is_err(), "{codec}");
    }
    let reader = open(&made(&[FILM, &["-c:v", "libtheora"]].concat())).unwrap();
    assert!(reader.tracks().is_empty());
    assert_eq!(reader.others(), "1 video track");
}

#[test]
fn long_comments_are_skipped() {
    let whole = ogg(OPUS);
    let all = pages(&whole);
    let serial = u32::from_le_bytes(all[0][14..18].try_into().unwrap());
    // 64 MiB in pages of 255 * 255 bytes.
    let pages_of_comment = 64 * 1024 * 1024 / 65_025;
    let mut content = all[0].clone();
    for number in 0..pages_of_comment {
        let mut body = vec![0; 65_025];
        if number == 0 {
            body[..8].copy_from_slice(b"OpusTags");
        }
        let flags = u8::from(number > 0);
        content.extend(raw_page(serial, number + 1, flags, -1, &[255; 255], &body));
    }
    content.extend(page(serial, pages_of_comment + 1, 1, 0, &[b"end"]));
    for (number, mut page) in (pages_of_comment + 2..).zip(all[2..].iter().cloned()) {
        page[18..22].copy_from_slice(&number.to_le_bytes());
        seal(&mut page);
        content.extend(page);
    }
    let long = output(&content);
    let short = output(&whole);
    assert!(long.lost.is_empty(), "{:?}", long.lost);
    assert_eq!(long.samples.len(), short.samples.len());
}

#[test]
fn codebooks_that_take_gigabytes_are_refused() {
    for name in ["vb8.ogg", "vb64.ogg"] {
        let Some(content) = shared(&format!("hostile/{name}")) else {
            return;
        };
        let Err(error) = open(&content) else {
            panic!("{name} is read");
        };
        assert!(
            error.to_string().contains("codebooks are larger"),
            "{error}"
        );
    }
}

#[test]
fn shared_recordings_match_ffmpeg() {
    for folder in ["", "findings"] {
        let Ok(files) = std::fs::read_dir(shared_folder().join(folder)) else {
            return;
        };
        for file in files {
            let path = file.unwrap().path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if !matches!(extension, Some("ogg" | "opus")) {
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            let name = path.display().to_string();
            let output = output(&content);
            assert!(output.lost.is_empty() && output.damaged == 0, "{name}");
            assert!(!output.cut_short && output.end_bytes.is_none(), "{name}");
            let expected = ffmpeg(&content, output.rate);
            assert_same(&output.samples, &expected, output.rate, &name);
            let claimed_s = open(&content).unwrap().tracks()[0].duration_s;
            let claimed_s = claimed_s.unwrap_or_else(|| panic!("{name} has no length"));
            assert!(
                (claimed_s - output.seconds()).abs() < 0.01,
                "{name}: {claimed_s}"
            );
        }
    }
}
