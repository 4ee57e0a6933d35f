//! Edit lists and encoder delay.

use super::made::*;
use super::*;

/// Replaces the edit list of the only track and adjusts the sizes of its parents.
fn with_edits(content: &[u8], entries: &[(u32, i32)]) -> Vec<u8> {
    let mut list = vec![0, 0, 0, 0];
    list.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    for (duration, time) in entries {
        list.extend_from_slice(&duration.to_be_bytes());
        list.extend_from_slice(&time.to_be_bytes());
        list.extend_from_slice(&[0, 1, 0, 0]);
    }
    let mut content = content.to_vec();
    let at = find(&content, b"elst") - 4;
    let size = |content: &[u8], at: usize| {
        u32::from_be_bytes(content[at..at + 4].try_into().unwrap()) as usize
    };
    let old = size(&content, at);
    let grown = list.len() + 8 - old;
    for kind in [b"moov", b"trak", b"edts", b"elst"] {
        let at = find(&content, kind) - 4;
        let new = (size(&content, at) + grown) as u32;
        content[at..at + 4].copy_from_slice(&new.to_be_bytes());
    }
    content.splice(at + 8..at + old, list);
    content
}

#[test]
fn edit_lists_are_applied() {
    // `moov` comes after the data here, so that it may grow.
    let whole = ffmpeg(
        &spoken(TEXT),
        &["-ar", "16000", "-c:a", "aac", "-aac_pns", "0", "-f", "mp4"],
    );
    let base = output(&with_edits(&whole, &[(60_000, 1024)]));
    assert!(base.rate == 16_000 && base.samples.len() > 40_000);
    let of = |from_s: f64, to_s: f64| {
        let index = |time_s: f64| (time_s * 16_000.0) as usize;
        base.samples[index(from_s)..index(to_s)].to_vec()
    };
    let silence = |length_s: f64| vec![0.0; (length_s * 16_000.0) as usize];
    // Media units of a presentation time.
    let media = |time_s: f64| 1024 + (time_s * 16_000.0) as i32;
    type Case = (&'static str, Vec<(u32, i32)>, Vec<f32>);
    let cases: [Case; 8] = [
        ("cut at both ends", vec![(1000, media(0.5))], of(0.5, 1.5)),
        (
            "late",
            vec![(700, -1), (1000, media(0.0))],
            [silence(0.7), of(0.0, 1.0)].concat(),
        ),
        (
            "cut in the middle",
            vec![(505, media(0.3)), (1000, media(1.7))],
            [of(0.3, 0.805), of(1.7, 2.7)].concat(),
        ),
        (
            "a short cut within one packet",
            vec![(500, media(0.0)), (500, media(0.51))],
            [of(0.0, 0.5), of(0.51, 1.01)].concat(),
        ),
        (
            "silence in the middle",
            vec![(500, media(0.0)), (250, -1), (500, media(0.5))],
            [of(0.0, 0.5), silence(0.25), of(0.5, 1.0)].concat(),
        ),
        (
            "exchanged",
            vec![(800, media(1.2)), (600, media(0.1))],
            [of(1.2, 2.0), of(0.1, 0.7)].concat(),
        ),
        (
            "twice the same",
            vec![(400, media(0.4)), (400, media(0.4))],
            [of(0.4, 0.8), of(0.4, 0.8)].concat(),
        ),
        ("only silence", vec![(1000, -1)], Vec::new()),
    ];
    for (name, entries, expected) in cases {
        let content = with_edits(&whole, &entries);
        let output = output(&content);
        assert_eq!(output.errors, 0, "{name}");
        // `place_samples` ignores gaps of up to 2 ms.
        assert_eq!(output.samples.len(), expected.len(), "{name}");
        let apart = output
            .samples
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(apart < 1e-4, "{name}: {apart}");
        let duration_s = opened(&content).unwrap().tracks()[0].duration_s.unwrap();
        let expected_s = expected.len() as f64 / 16_000.0;
        assert!(
            (duration_s - expected_s).abs() < 1e-3,
            "{name}: {duration_s}"
        );
    }
}

/// `converted` takes no input options, so this uses two passes.
#[test]
fn trims_and_offsets_match_ffmpeg() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let run = |arguments: &[&str]| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(arguments);
        assert!(
            command
                .current_dir(directory.path())
                .status()
                .unwrap()
                .success()
        );
    };
    std::fs::write(path("spoken.wav"), bytes(&spoken(TEXT))).unwrap();
    run(&["-i", "spoken.wav", "-c:a", "aac", "aac.m4a"]);
    run(&["-i", "spoken.wav", "-c:a", "libopus", "opus.mp4"]);
    run(&[
        "-i",
        "spoken.wav",
        "-c:a",
        "libopus",
        "-use_editlist",
        "0",
        "plain.mp4",
    ]);
    run(&["-i", "spoken.wav", "-c:a", "pcm_s16be", "pcm.mov"]);
    run(&["-i", "spoken.wav", "-c:a", "alac", "alac.mov"]);
    for (input, slack) in [
        ("aac.m4a", 1),
        ("opus.mp4", 1),
        ("plain.mp4", 1),
        ("pcm.mov", 1),
        ("alac.mov", 1),
    ] {
        for (before, behind) in [
            (&["-ss", "1.3"][..], &["-t", "1.1"][..]),
            (&[], &["-ss", "0.7", "-t", "1"]),
            (&["-itsoffset", "2.5"], &[]),
            (
                &["-itsoffset", "1.5"],
                &["-movflags", "frag_keyframe+delay_moov"],
            ),
            (
                &["-itsoffset", "1.5"],
                &[
                    "-movflags",
                    "frag_keyframe+empty_moov",
                    "-use_editlist",
                    "1",
                ],
            ),
            (&["-ss", "0.5"], &["-movflags", "faststart"]),
        ] {
            let out_file = format!("out.{}", input.split('.').next_back().unwrap());
            let arguments = [before, &["-i", input, "-c", "copy"], behind, &[&out_file]].concat();
            run(&arguments);
            let content = std::fs::read(path(&out_file)).unwrap();
            let output = output(&content);
            let expected = reference_of(&path(&out_file), output.rate);
            let name = format!("{arguments:?}");
            assert_alike(&name, &output, &expected, slack);
        }
    }
}

#[test]
fn itunes_encoder_delay_is_trimmed() {
    let spoken = spoken(TEXT);
    let arguments = ["-ar", "16000", "-c:a", "aac", "-aac_pns", "0", "-f", "mp4"];
    let listed = output(&ffmpeg(&spoken, &arguments));
    let mut content = ffmpeg(&spoken, &[&["-use_editlist", "0"], &arguments[..]].concat());
    let bare = output(&content);
    let length = listed.samples.len();
    assert!(bare.samples.len() > length + 1000);
    let numbers = format!(" 00000000 00000400 000001CA {length:016X} 00000000");
    let tag = boxed(
        b"----",
        &[
            &boxed(b"mean", &[&[0; 4], b"com.apple.iTunes"]),
            &boxed(b"name", &[&[0; 4], b"iTunSMPB"]),
            &boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], numbers.as_bytes()]),
        ],
    );
    let list = boxed(b"ilst", &[&tag]);
    let meta = boxed(b"udta", &[&boxed(b"meta", &[&[0; 4], &list])]);
    // `moov` is the last box.
    let at = find(&content, b"moov") - 4;
    let size = u32::from_be_bytes(content[at..at + 4].try_into().unwrap()) + meta.len() as u32;
    content[at..at + 4].copy_from_slice(&size.to_be_bytes());
    content.extend(meta);
    let noted = output(&content);
    assert_eq!(noted.samples.len(), length);
    assert_eq!(noted.samples, listed.samples);
}
