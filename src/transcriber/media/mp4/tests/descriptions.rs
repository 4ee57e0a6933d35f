//! Sample descriptions.

use super::made::*;
use super::*;

#[test]
fn sound_descriptions_of_all_versions_are_read() {
    let wave = |content: &[&[u8]]| {
        boxed(
            b"wave",
            &[
                &boxed(b"frma", &[b"????"]),
                &content.concat(),
                &words(&[8, 0]),
            ],
        )
    };
    let little = wave(&[&boxed(b"enda", &[&[0, 1]])]);
    let version_1 = |frames, channel, packet, rest: &[u8]| {
        [words(&[frames, channel, packet, 2]), rest.to_vec()].concat()
    };
    let version_2 = |flags, bits, packet: u32| {
        let mut rest = words(&[72]);
        rest.extend_from_slice(&8000_f64.to_be_bytes());
        rest.extend(words(&[1, 0x7f00_0000, bits, flags, packet, 1]));
        rest
    };
    let config = |flags, bits| boxed(b"pcmC", &[&[0, 0, 0, 0, flags, bits]]);
    type Case = (&'static str, u8, Vec<u8>, &'static str, u32);
    let cases: [Case; 27] = [
        (
            "twos",
            0,
            sound(b"twos", [0, 1, 16, 8000], &[]),
            "pcm_s16be",
            2,
        ),
        (
            "twos, 8 bits",
            0,
            sound(b"twos", [0, 1, 8, 8000], &[]),
            "pcm_s8",
            1,
        ),
        (
            "sowt",
            0,
            sound(b"sowt", [0, 1, 16, 8000], &[]),
            "pcm_s16le",
            2,
        ),
        ("raw", 0, sound(b"raw ", [0, 1, 8, 8000], &[]), "pcm_u8", 1),
        (
            "raw, 16 bits",
            0,
            sound(b"raw ", [0, 1, 16, 8000], &[]),
            "pcm_s16be",
            2,
        ),
        ("NONE", 0, sound(b"NONE", [0, 1, 8, 8000], &[]), "pcm_u8", 1),
        (
            "in24",
            0,
            sound(b"in24", [1, 1, 16, 8000], &version_1(1, 3, 3, &[])),
            "pcm_s24be",
            3,
        ),
        (
            "in24, enda",
            0,
            sound(b"in24", [1, 1, 16, 8000], &version_1(1, 3, 3, &little)),
            "pcm_s24le",
            3,
        ),
        (
            "in32, enda",
            0,
            sound(b"in32", [1, 1, 16, 8000], &version_1(1, 4, 4, &little)),
            "pcm_s32le",
            4,
        ),
        (
            "fl32",
            0,
            sound(b"fl32", [1, 1, 16, 8000], &version_1(1, 4, 4, &[])),
            "pcm_f32be",
            4,
        ),
        (
            "fl64, enda",
            0,
            sound(b"fl64", [1, 1, 16, 8000], &version_1(1, 8, 8, &little)),
            "pcm_f64le",
            8,
        ),
        (
            "lpcm float",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(1, 32, 4)),
            "pcm_f32le",
            4,
        ),
        (
            "lpcm big",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(6, 24, 3)),
            "pcm_s24be",
            3,
        ),
        (
            "lpcm little",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(4, 16, 2)),
            "pcm_s16le",
            2,
        ),
        (
            "lpcm, 20 bits in 3 bytes",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(4 + 16, 20, 3)),
            "pcm_s24le",
            3,
        ),
        (
            "ulaw",
            0,
            sound(b"ulaw", [1, 1, 16, 8000], &version_1(1, 1, 1, &[])),
            "pcm_mulaw",
            1,
        ),
        (
            "alaw",
            0,
            sound(b"alaw", [0, 1, 16, 8000], &[]),
            "pcm_alaw",
            1,
        ),
        (
            "ipcm little",
            0,
            sound(b"ipcm", [0, 1, 16, 8000], &config(1, 24)),
            "pcm_s24le",
            3,
        ),
        (
            "ipcm big",
            0,
            sound(b"ipcm", [0, 1, 16, 8000], &config(0, 16)),
            "pcm_s16be",
            2,
        ),
        (
            "fpcm, entry of ISO's version 1",
            1,
            sound(b"fpcm", [1, 1, 16, 8000], &config(1, 32)),
            "pcm_f32le",
            4,
        ),
        (
            "rate in the time scale",
            0,
            sound(b"twos", [0, 1, 16, 0], &[]),
            "pcm_s16be",
            2,
        ),
        (
            "ac-3",
            0,
            sound(b"ac-3", [0, 2, 16, 8000], &[]),
            "AC-3 (Dolby Digital)",
            0,
        ),
        (
            "samr",
            0,
            sound(b"samr", [0, 1, 16, 8000], &[]),
            "AMR-NB",
            0,
        ),
        (
            "sawb",
            0,
            sound(b"sawb", [0, 1, 16, 8000], &[]),
            "AMR-WB",
            0,
        ),
        (
            "unknown",
            0,
            sound(b"\xa9xyz", [0, 1, 16, 8000], &[]),
            "an unknown codec (\"\\xa9xyz\")",
            0,
        ),
        (
            "encrypted",
            0,
            sound(
                b"enca",
                [0, 1, 16, 8000],
                &boxed(b"sinf", &[&boxed(b"frma", &[b"mp4a"])]),
            ),
            "encrypted audio (\"mp4a\")",
            0,
        ),
        (
            "too many channels",
            0,
            sound(b"twos", [0, 40, 16, 8000], &[]),
            "twos with 40 channels",
            0,
        ),
    ];
    for (name, list_version, entry, codec, bytes) in cases {
        let frames = 10_000;
        let data = vec![0x2a; frames * bytes as usize];
        let mut made = Made::pcm(entry, frames as u32, data);
        made.list_version = list_version;
        let content = made.file();
        let mut reader = opened(&content).unwrap();
        let track = reader.tracks()[0].clone();
        assert_eq!(track.codec, codec, "{name}");
        assert_eq!(track.parameters.sample_rate, Some(8000), "{name}");
        assert!(track.default, "{name}");
        if bytes > 0 {
            assert_eq!(track.duration_s, Some(1.25), "{name}");
            let output = play(&mut reader, 0);
            assert_eq!(
                (output.samples.len(), output.packets),
                (frames, 3),
                "{name}"
            );
            assert!(
                output.ended && !output.cut_short && output.errors == 0,
                "{name}"
            );
        }
    }
}

#[test]
fn another_sample_entry_is_announced_if_it_differs() {
    let twos = sound(b"twos", [0, 1, 16, 8000], &[]);
    let sowt = sound(b"sowt", [0, 1, 16, 8000], &[]);
    let amr = sound(b"samr", [0, 1, 16, 8000], &[]);
    let made = Made {
        entries: vec![twos.clone(), twos, sowt, amr],
        // Chunks of 100 frames: 1, 1, the same once more, another, out of range.
        chunks: vec![1, 100, 1, 3, 100, 2, 4, 100, 3, 5, 100, 9],
        chunk_offsets: vec![0, 200, 400, 600, 800],
        ..Made::pcm(
            Vec::new(),
            500,
            [&[0x10, 0][..], &[0x20, 0]].concat().repeat(250),
        )
    };
    let output = output(&made.file());
    assert_eq!(output.samples.len(), 400);
    assert_eq!((output.changes, output.losses.len()), (1, 1));
    assert!(output.samples[..300].iter().all(|sample| *sample > 0.1));
    assert!(output.samples[300..].iter().all(|sample| *sample < 0.01));
}
