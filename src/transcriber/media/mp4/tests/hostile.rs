//! Damaged and hostile files, and files without audio.

use super::made::*;
use super::*;

#[test]
fn damage_neither_panics_nor_loops() {
    let spoken = spoken("one two");
    for arguments in [
        &["-c:a", "aac", "-movflags", "faststart", "-f", "mp4"][..],
        &[
            "-c:a",
            "aac",
            "-movflags",
            "frag_keyframe+empty_moov",
            "-frag_duration",
            "100000",
            "-f",
            "mp4",
        ],
        &["-c:a", "pcm_s24be", "-f", "mov"],
        &["-c:a", "adpcm_ima_qt", "-f", "mov"],
        &["-c:a", "libopus", "-f", "mp4"],
    ] {
        let content = ffmpeg(&spoken, arguments);
        let moov = find(&content, b"moov") - 4;
        let moov_end =
            moov + u32::from_be_bytes(content[moov..moov + 4].try_into().unwrap()) as usize;
        let tables = if arguments.contains(&"100000") {
            0..content.len()
        } else {
            moov..moov_end
        };
        let mut random = 5_u64;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize
        };
        let mut broken = Vec::new();
        for index in tables.clone() {
            let mut changed = content.clone();
            changed[index] = [0, 1, 0x7f, 0xff, changed[index] ^ 0x80][next() % 5];
            broken.push((format!("byte {index}"), changed));
        }
        for _ in 0..100 {
            let length = next() % content.len();
            broken.push((format!("{length} bytes"), content[..length].to_vec()));
        }
        for (name, broken) in broken {
            let started = Instant::now();
            if let Ok(mut reader) = opened(&broken) {
                assert!(reader.tracks().len() <= 64);
                if reader.tracks().is_empty() {
                    continue;
                }
                reader.select(0);
                let mut given_bytes = 0;
                while let Ok(step) = reader.step() {
                    match step {
                        Step::End => break,
                        Step::Packet(packet) => given_bytes += packet.data.len(),
                        _ => {}
                    }
                }
                assert!(given_bytes < 6 * broken.len() + 2_000_000, "{name}");
            }
            let took = started.elapsed();
            assert!(
                took < Duration::from_secs(5),
                "{arguments:?}, {name}: {took:?}"
            );
        }
    }
}

#[test]
fn missing_data_is_reported_and_the_rest_returned() {
    let twos = sound(b"twos", [0, 1, 16, 8000], &[]);
    let made = Made {
        chunks: vec![1, 100, 1],
        chunk_offsets: vec![0, 200, 1 << 30, 400],
        ..Made::pcm(twos, 400, vec![1; 500])
    };
    let output = output(&made.file());
    // The third chunk is outside the file, of the fourth 50 frames exist.
    assert_eq!(output.samples.len(), 350);
    assert!(output.cut_short && output.ended && output.losses.is_empty());
}

#[test]
fn hostile_tables_are_cheap() {
    let twos = || sound(b"twos", [0, 1, 16, 8000], &[]);
    let mp3 = || sound(b".mp3", [0, 1, 16, 8000], &[]);
    let base = |entry| Made::pcm(entry, 100, vec![1; 4000]);
    let many = |count: u32| (0..count).map(|_| 0).collect::<Vec<u32>>();
    let cases: [(&str, Made); 9] = [
        (
            "4 billion samples of nothing",
            Made {
                sizes: vec![0, u32::MAX],
                times: vec![u32::MAX, u32::MAX],
                chunks: vec![1, u32::MAX, 1],
                ..base(mp3())
            },
        ),
        (
            "4 billion frames",
            Made {
                sizes: vec![2, u32::MAX],
                times: vec![u32::MAX, u32::MAX],
                chunks: vec![1, u32::MAX, 1],
                ..base(twos())
            },
        ),
        (
            "4 billion bytes in a sample",
            Made {
                sizes: vec![u32::MAX, 100],
                ..base(mp3())
            },
        ),
        (
            "the same chunk again and again",
            Made {
                sizes: vec![1, u32::MAX],
                chunks: vec![1, 1_000_000, 1],
                chunk_offsets: many(100_000),
                ..base(mp3())
            },
        ),
        (
            "the same frames again and again",
            Made {
                sizes: vec![2, u32::MAX],
                times: vec![u32::MAX, 1],
                chunks: vec![1, 2000, 1],
                chunk_offsets: many(100_000),
                ..base(twos())
            },
        ),
        (
            "empty chunks",
            Made {
                chunks: vec![1, 0, 1],
                chunk_offsets: many(100_000),
                ..base(twos())
            },
        ),
        (
            "empty runs",
            Made {
                times: many(100_000),
                ..base(twos())
            },
        ),
        (
            "no tables",
            Made {
                chunks: vec![],
                chunk_offsets: vec![],
                times: vec![],
                sizes: vec![0, 0],
                ..base(twos())
            },
        ),
        (
            "chunks in no order",
            Made {
                chunks: vec![7, 1, 1, 3, 0, 1, u32::MAX, 9, 9],
                ..base(twos())
            },
        ),
    ];
    for (name, made) in cases {
        let started = Instant::now();
        let content = made.file();
        let output = output(&content);
        assert!(output.bytes <= 6 * content.len() + 2_000_000, "{name}");
        assert!(started.elapsed() < Duration::from_secs(10), "{name}");
    }
    // A `moov` that claims gigabytes, and unlimited tracks.
    let mut huge = boxed(b"moov", &[&words(&[1])]);
    huge[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(opened(&huge), Err(MediaError::NoContents("mov"))));
    let track = boxed(
        b"trak",
        &[&boxed(
            b"mdia",
            &[&boxed(b"hdlr", &[&words(&[0, 0]), b"soun"])],
        )],
    );
    let crowd = boxed(b"moov", &[&track.repeat(50_000)]);
    assert_eq!(opened(&crowd).unwrap().tracks().len(), 64);
    let nested = (0..10_000).fold(Vec::new(), |inner, _| boxed(b"mdia", &[&inner]));
    let deep = boxed(b"moov", &[&boxed(b"trak", &[&nested])]);
    assert!(opened(&deep).unwrap().tracks().is_empty());
}

#[test]
fn files_without_audio_are_refused_with_a_reason() {
    let error = |content: &[u8]| opened(content).err().unwrap().to_string();
    assert!(error(b"").contains("truncated"));
    assert!(error(b"\0\0\0\x01nonsense").contains("mp4 box"));
    let unfinished = [
        boxed(b"ftyp", &[b"M4A \0\0\0\0"]),
        boxed(b"mdat", &[&[0; 99]]),
    ]
    .concat();
    assert!(error(&unfinished).contains("the mp4 file is incomplete"));
    let silent = ffmpeg(
        &spoken("one"),
        &[
            "-f",
            "lavfi",
            "-i",
            "color=size=32x32:duration=1",
            "-map",
            "1:v",
            "-c:v",
            "mpeg4",
            "-f",
            "mp4",
        ],
    );
    let reader = opened(&silent).unwrap();
    assert!(reader.tracks().is_empty());
    assert_eq!(reader.others(), "1 video track");
    assert_eq!(reader.container(), "mp4");
    for (brand, container) in [(b"qt  ", "mov"), (b"3gp4", "3gp"), (b"isom", "mp4")] {
        let content = [boxed(b"ftyp", &[brand, &[0; 4]]), boxed(b"moov", &[])].concat();
        assert_eq!(opened(&content).unwrap().container(), container);
    }
}
