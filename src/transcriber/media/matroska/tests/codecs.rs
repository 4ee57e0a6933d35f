//! Codecs, content encodings and tracks.

use super::*;

#[test]
fn every_codec_matches_ffmpeg() {
    for (container, arguments, codec) in [
        ("webm", &["-f", "webm", "-c:a", "libopus"][..], "opus"),
        (
            "webm",
            &[
                "-f",
                "webm",
                "-c:a",
                "libopus",
                "-ac",
                "2",
                "-frame_duration",
                "2.5",
            ],
            "opus",
        ),
        (
            "webm",
            &[
                "-f",
                "webm",
                "-c:a",
                "libopus",
                "-live",
                "1",
                "-cluster_time_limit",
                "200",
            ],
            "opus",
        ),
        ("webm", &["-f", "webm", "-c:a", "libvorbis"], "vorbis"),
        (
            "mkv",
            &["-f", "matroska", "-c:a", "libvorbis", "-ac", "2"],
            "vorbis",
        ),
        (
            "mkv",
            &["-f", "matroska", "-c:a", "aac", "-ar", "44100", "-ac", "2"],
            "aac",
        ),
        ("mkv", &["-f", "matroska", "-c:a", "mp3"], "mp3"),
        ("mkv", &["-f", "matroska", "-c:a", "mp2"], "mp2"),
        ("mkv", &["-f", "matroska", "-c:a", "flac"], "flac"),
        ("mkv", &["-f", "matroska", "-c:a", "alac"], "alac"),
        (
            "mkv",
            &["-f", "matroska", "-c:a", "pcm_s16le", "-ac", "2"],
            "pcm_s16le",
        ),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_s24be"], "pcm_s24be"),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_f32le"], "pcm_f32le"),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_u8"], "pcm_u8"),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_mulaw"], "pcm_mulaw"),
    ] {
        let content = converted(arguments);
        let (file, output) = output(&content);
        assert_eq!(file.container(), container, "{arguments:?}");
        let track = &file.tracks()[0];
        assert_eq!(track.codec, codec, "{arguments:?}");
        assert!(output.lost.is_empty(), "{arguments:?}: {:?}", output.lost);
        assert!(!file.is_cut_short(), "{arguments:?}");
        assert_eq!(file.end_bytes(), None);
        is_same(
            &format!("{arguments:?}"),
            &output,
            &compare::ffmpeg(&content, &[]),
        );
        if let Some(duration_s) = track.duration_s {
            assert!(
                (duration_s - output.duration_s()).abs() < 0.05,
                "{arguments:?}"
            );
        } else {
            assert!(arguments.contains(&"-live"), "{arguments:?}");
        }
    }
}

#[test]
fn names_of_codecs_left_to_ffmpeg() {
    for (codec, name) in [
        ("ac3", "AC-3 (Dolby Digital)"),
        ("eac3", "E-AC-3 (Dolby Digital Plus)"),
        ("wavpack", "WavPack"),
        ("adpcm_ms", "Microsoft ADPCM"),
        ("g722", "G.722"),
    ] {
        let content = converted(&["-f", "matroska", "-c:a", codec, "-ar", "48000"]);
        let file = open(&content);
        let track = &file.tracks()[0];
        assert_eq!(track.codec, name);
        assert!(crate::media::codec::decoder(&track.parameters).is_err());
    }
}

#[test]
fn compression_is_undone_and_encryption_named() {
    let encoding = |kind: Vec<u8>| {
        element(
            ids::CONTENT_ENCODINGS,
            &element(ids::CONTENT_ENCODING, &kind),
        )
    };
    let compression = |algorithm: u64, settings: &[u8]| {
        let body = [
            number(ids::CONTENT_COMP_ALGO, algorithm),
            element(ids::CONTENT_COMP_SETTINGS, settings),
        ]
        .concat();
        encoding(element(ids::CONTENT_COMPRESSION, &body))
    };
    let zlib = compress_to_vec_zlib(&sound(3), 6);
    for (name, encoding, data) in [
        ("zlib", compression(0, &[]), zlib.clone()),
        ("zlib by default", encoding(Vec::new()), zlib.clone()),
        (
            "stripped",
            compression(3, &[3, 0, 3]),
            sound(3)[3..].to_vec(),
        ),
    ] {
        let content = segment(
            &[track(1, &[encoding])],
            &[cluster(0, &[simple(1, 0, &data)])],
        );
        let (found, lost, _) = packets(&content);
        assert_eq!(found[0].data[..], sound(3), "{name}");
        assert!(lost.is_empty(), "{name}");
    }
    // Damage, and a decompression bomb.
    let bomb = compress_to_vec_zlib(&vec![0; PACKET_MAX_BYTES + 1], 9);
    for data in [&zlib[..20], &bomb] {
        let blocks = [simple(1, 0, data), simple(1, 100, &zlib)];
        let content = segment(&[track(1, &[compression(0, &[])])], &[cluster(0, &blocks)]);
        let (found, lost, _) = packets(&content);
        assert_eq!((found.len(), lost.len()), (1, 1));
        assert_eq!(found[0].time_s, Some(0.1));
    }
    for (encoding, name) in [
        (
            encoding(number(ids::CONTENT_ENCODING_TYPE, 1)),
            "pcm_s16le, encrypted",
        ),
        (compression(2, &[]), "pcm_s16le, compressed with LZO"),
    ] {
        let file = open(&segment(&[track(1, &[encoding])], &[cluster(0, &[])]));
        assert_eq!(file.tracks()[0].codec, name);
        assert!(crate::media::codec::decoder(&file.tracks()[0].parameters).is_err());
    }
}

#[test]
fn default_track_is_the_first_flagged_or_unflagged() {
    let flag = |value| number(ids::FLAG_DEFAULT, value);
    let disabled = number(ids::FLAG_ENABLED, 0);
    for (tracks, expected) in [
        (vec![vec![], vec![]], [true, false]),
        (vec![vec![flag(0)], vec![]], [false, true]),
        (vec![vec![flag(0)], vec![flag(1)]], [false, true]),
        (vec![vec![flag(0)], vec![flag(0)]], [false, false]),
        (vec![vec![disabled], vec![flag(1)]], [false, true]),
    ] {
        let tracks: Vec<_> = (1..)
            .zip(tracks)
            .map(|(number, extra)| track(number, &extra))
            .collect();
        let file = open(&segment(&tracks, &[]));
        let found: Vec<_> = file.tracks().iter().map(|track| track.default).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn shared_recordings_match_ffmpeg() {
    for directory in [
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech/findings"),
    ] {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let Ok(content) = std::fs::read(&path) else {
                continue;
            };
            if !content.starts_with(&ids::EBML.to_be_bytes()) {
                continue;
            }
            let name = path.display().to_string();
            let (file, output) = output(&content);
            let index = file
                .tracks()
                .iter()
                .position(|track| track.default)
                .unwrap_or(0);
            println!(
                "{name}: {}/{} {:.2} s, {:?}, lost {:?}",
                file.container(),
                file.tracks()[index].codec,
                output.duration_s(),
                file.tracks()[index].duration_s,
                output.lost,
            );
            if output.rate == 0 {
                continue;
            }
            assert!(output.lost.is_empty(), "{name}: {:?}", output.lost);
            let truth = compare::ffmpeg(
                &content,
                &[
                    "-map",
                    &format!("0:a:{index}"),
                    "-af",
                    "aresample=async=1:first_pts=0",
                ],
            );
            is_same(&name, &output, &truth);
        }
    }
}
