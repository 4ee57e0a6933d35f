use super::super::mp4::tests::{ONE_CHANNEL, Output, TEXT, assert_alike, play, reference};
use super::*;
use crate::testing::{self, bytes, converted, spoken};

fn opened(content: &[u8]) -> Result<Caf, MediaError> {
    Caf::open(Source::new(testing::file(content), content.len() as u64))
}

fn output(content: &[u8]) -> Output {
    play(&mut opened(content).unwrap(), 0)
}

fn chunk(kind: &[u8; 4], size: i64, body: &[u8]) -> Vec<u8> {
    [&kind[..], &size.to_be_bytes(), body].concat()
}

fn description(kind: &[u8; 4], rate: f64, words: [u32; 5]) -> Vec<u8> {
    let mut body = rate.to_be_bytes().to_vec();
    body.extend_from_slice(kind);
    body.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    chunk(b"desc", 32, &body)
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    [&b"caff\0\x01\0\0"[..], &chunks.concat()].concat()
}

#[test]
fn output_of_ffmpeg_muxers_decodes_like_ffmpeg() {
    let spoken = spoken(TEXT);
    for codec in [
        "pcm_s16le",
        "pcm_s16be",
        "pcm_s24le",
        "pcm_s24be",
        "pcm_s32le",
        "pcm_s32be",
        "pcm_f32le",
        "pcm_f32be",
        "pcm_f64le",
        "pcm_f64be",
        "pcm_s8",
        "pcm_alaw",
        "pcm_mulaw",
        "adpcm_ima_qt",
        "alac",
        "libmp3lame",
        "libopus",
        "flac",
    ] {
        for channels in ["1", "2"] {
            if channels == "1" && !ONE_CHANNEL.contains(&codec) {
                continue;
            }
            let arguments = ["-c:a", codec, "-ac", channels, "-f", "caf"];
            let content = bytes(&converted(&spoken, &arguments));
            let name = format!("{codec}, {channels} channels");
            let output = output(&content);
            // ffmpeg 5 cannot read the FLAC that it writes.
            let expected = match codec {
                "flac" => reference(&bytes(&spoken), output.rate),
                _ => reference(&content, output.rate),
            };
            assert_alike(&name, &output, &expected, 1);
            let output_s = output.samples.len() as f64 / f64::from(output.rate);
            let duration_s = opened(&content).unwrap().tracks()[0].duration_s;
            // ffmpeg does not know the duration of these two either.
            assert_eq!(
                duration_s.is_none(),
                ["flac", "libopus"].contains(&codec),
                "{name}"
            );
            let duration_s = duration_s.unwrap_or(output_s);
            assert!(
                (duration_s - output_s).abs() < 0.11,
                "{name}: {duration_s} and {output_s} s"
            );
            assert!(!output.cut_short, "{name}");
            // A truncated transfer.
            let cut = &content[..content.len() * 6 / 10];
            match opened(cut) {
                Ok(mut reader) => {
                    let output = play(&mut reader, 0);
                    let output_s = output.samples.len() as f64 / f64::from(output.rate);
                    assert!(output.cut_short && output_s > duration_s * 0.5, "{name}");
                }
                // The packet table came after the data.
                Err(error) => {
                    assert!(error.to_string().contains("packet table"), "{error}");
                }
            }
        }
    }
}

/// Real-world recordings, where they are available.
#[test]
fn shared_recordings_are_read_or_refused() {
    let read = |name: &str| {
        std::fs::read(format!(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech/{}"),
            name
        ))
    };
    if let Ok(content) = read("derived-codec-alac.caf") {
        let output = output(&content);
        assert_alike("alac", &output, &reference(&content, output.rate), 0);
    }
    for name in ["hostile/caf67108864.caf", "hostile/crash-2-39882--6-c.caf"] {
        if let Ok(content) = read(name) {
            let error = opened(&content).err().unwrap().to_string();
            assert!(error.contains("frames in a packet"), "{name}: {error}");
        }
    }
}

#[test]
fn data_chunk_of_unknown_size_extends_to_the_end_of_the_file() {
    for size in [-1, 0] {
        let content = file(&[
            description(b"lpcm", 8000.0, [2, 2, 1, 1, 16]),
            chunk(b"data", size, &[&[0; 4][..], &[1; 2001]].concat()),
        ]);
        let output = output(&content);
        assert_eq!(output.samples.len(), 1000, "{size}");
        assert!(output.ended && !output.cut_short);
    }
}

#[test]
fn priming_and_remainder_frames_are_trimmed() {
    let table = |packets: i64, valid: i64, delay: i32, rest: i32| {
        let mut body = packets.to_be_bytes().to_vec();
        body.extend_from_slice(&valid.to_be_bytes());
        body.extend_from_slice(&delay.to_be_bytes());
        body.extend_from_slice(&rest.to_be_bytes());
        // Packets of 130 bytes.
        body.extend_from_slice(&[0x81, 0x02].repeat(packets as usize));
        chunk(b"pakt", body.len() as i64, &body)
    };
    let data = chunk(b"data", 4 + 4 * 130, &[0; 4 + 4 * 130]);
    let aac = || description(b"aac ", 16_000.0, [0, 0, 1024, 1, 0]);
    let cookie = chunk(b"kuki", 2, &[0x14, 0x08]);
    for chunks in [
        vec![
            aac(),
            cookie.clone(),
            table(4, 1900, 1100, 1096),
            data.clone(),
        ],
        vec![aac(), cookie, data, table(4, 1900, 1100, 1096)],
    ] {
        let mut reader = opened(&file(&chunks)).unwrap();
        assert_eq!(reader.tracks()[0].codec, "aac");
        assert_eq!(reader.tracks()[0].duration_s, Some(1900.0 / 16_000.0));
        let mut found = Vec::new();
        while let Ok(Step::Packet(packet)) = reader.step() {
            assert_eq!(packet.data.len(), 130);
            let time = packet.time_s.unwrap() * 16_000.0;
            found.push((
                time.round() as i64,
                packet.trim_start_frames,
                packet.trim_end_frames,
            ));
        }
        assert_eq!(found, [(0, TRIM_ALL, 0), (0, 76, 0), (948, 0, 72)]);
    }
}

#[test]
fn invalid_descriptions_are_refused_with_a_reason() {
    let data = chunk(b"data", 100, &[0; 100]);
    for (desc, expected) in [
        (
            description(b"ima4", 8000.0, [0, 34, 0x0400_0000, 1, 0]),
            "67108864 frames in a packet",
        ),
        (
            description(b"ima4", 8000.0, [0, 34, 128, 1, 0]),
            "packets of 128 frames",
        ),
        (
            description(b"lpcm", 8000.0, [0, 2, 5, 1, 16]),
            "PCM in packets of 5 frames",
        ),
        (description(b"lpcm", 8000.0, [0, 2, 1, 0, 16]), "0 channels"),
        (
            description(b"lpcm", 8000.0, [0, 2, 1, 33, 16]),
            "33 channels",
        ),
        (
            description(b"lpcm", f64::NAN, [0, 2, 1, 1, 16]),
            "samples per second",
        ),
        (
            description(b"aac ", 8000.0, [0, 0, 1024, 1, 0]),
            "packet table is missing",
        ),
        (chunk(b"free", 4, &[0; 4]), "description is missing"),
    ] {
        let error = opened(&file(&[desc, data.clone()])).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(matches!(opened(b"caff"), Err(MediaError::Truncated)));
    assert!(matches!(
        opened(&file(&[description(b"lpcm", 8000.0, [0, 2, 1, 1, 16])])),
        Err(MediaError::Truncated)
    ));
}

#[test]
fn damage_neither_panics_nor_loops() {
    let spoken = spoken("one");
    for codec in ["pcm_s16le", "alac", "libmp3lame", "libopus", "adpcm_ima_qt"] {
        let content = bytes(&converted(&spoken, &["-c:a", codec, "-f", "caf"]));
        let end = content.len();
        let mut seed: u64 = 7;
        for round in 0..400 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut broken = content.clone();
            // The chunks before the data, and those after it.
            let place = (seed >> 33) as usize % 300;
            let place = if round % 3 == 0 {
                end - 1 - place
            } else {
                place
            };
            broken[place] ^= (seed >> 25) as u8 | 1;
            if round % 7 == 0 {
                broken.truncate((seed >> 40) as usize % end);
            }
            let Ok(mut reader) = opened(&broken) else {
                continue;
            };
            let mut steps = 0;
            while let Ok(step) = reader.step() {
                steps += 1;
                assert!(steps < 2 * end, "{codec}, {place}");
                if matches!(step, Step::End) {
                    break;
                }
            }
        }
    }
}
