//! Fragmented files.

use super::made::*;
use super::*;

#[test]
fn fragmented_files_match_unfragmented_ones() {
    let spoken = spoken(TEXT);
    let whole = ffmpeg(&spoken, &["-ar", "16000", "-f", "wav"]);
    let expected = reference(&whole, 16_000);
    for (codec, container, flags) in [
        ("aac", "mp4", "frag_keyframe+empty_moov"),
        ("aac", "mp4", "frag_keyframe+empty_moov+default_base_moof"),
        ("aac", "mp4", "frag_keyframe+empty_moov+omit_tfhd_offset"),
        ("aac", "mp4", "frag_keyframe+delay_moov"),
        ("aac", "mp4", "frag_keyframe+separate_moof+empty_moov"),
        ("aac", "mp4", "dash+global_sidx"),
        ("aac", "mp4", "cmaf"),
        ("aac", "mp4", "frag_keyframe"),
        ("aac", "ismv", "frag_keyframe"),
        ("aac", "mp4", "faststart"),
        ("alac", "mp4", "frag_keyframe+empty_moov"),
        ("flac", "mp4", "frag_keyframe+empty_moov"),
        ("pcm_s16le", "mov", "frag_keyframe+empty_moov"),
        ("pcm_s24be", "mov", "frag_keyframe"),
    ] {
        let arguments = [
            "-ar",
            "16000",
            "-c:a",
            codec,
            "-strict",
            "-2",
            "-movflags",
            flags,
            "-frag_duration",
            "300000",
            "-f",
            container,
        ];
        let content = ffmpeg(&spoken, &arguments);
        let name = format!("{codec} in {container}, {flags}");
        let output = output(&content);
        // Without an edit list the delay of AAC is unknown.
        assert_alike(&name, &output, &expected, 1024);
        if codec.starts_with("pcm") {
            assert!(output.packets <= 60, "{name}: {} packets", output.packets);
        }
        for tenths in [3, 5, 9] {
            let cut = &content[..content.len() * tenths / 10];
            let Ok(mut reader) = opened(cut) else {
                continue;
            };
            let output = play(&mut reader, 0);
            let output_s = output.samples.len() as f64 / expected.len() as f64;
            assert!(
                output_s > tenths as f64 / 10.0 - 0.25 && output.cut_short && output.ended,
                "{name}: {output_s} of {tenths} tenths"
            );
        }
    }
}

#[test]
fn an_oversized_fragment_table_is_reported_and_skipped() {
    let arguments = [
        "-c:a",
        "pcm_s16le",
        "-movflags",
        "frag_keyframe+empty_moov",
        "-frag_duration",
        "300000",
        "-f",
        "mov",
    ];
    let content = ffmpeg(&spoken("one two"), &arguments);
    let whole = output(&content).samples.len();
    let mut starts = content
        .windows(4)
        .enumerate()
        .filter(|(_, word)| *word == b"moof")
        .map(|(at, _)| at - 4);
    let second = starts.nth(1).unwrap();
    let monster = boxed(b"moof", &[&vec![0; 17 << 20]]);
    let grown = [&content[..second], &monster, &content[second..]].concat();
    let output = output(&grown);
    assert_eq!(output.losses, ["the table of a fragment takes 17 MiB"]);
    assert!(output.ended && output.samples.len() == whole && whole > 10_000);
}
