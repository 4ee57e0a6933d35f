//! Sample formats and codecs.

use super::*;

#[test]
fn every_sample_format_matches_ffmpeg() {
    for (container, codecs) in [
        (
            "wav",
            &[
                "pcm_u8",
                "pcm_s16le",
                "pcm_s24le",
                "pcm_s32le",
                "pcm_f32le",
                "pcm_f64le",
                "pcm_alaw",
                "pcm_mulaw",
                "adpcm_ms",
                "adpcm_ima_wav",
            ][..],
        ),
        ("w64", &["pcm_s16le", "pcm_f32le", "pcm_mulaw", "adpcm_ms"]),
        (
            "au",
            &[
                "pcm_mulaw",
                "pcm_alaw",
                "pcm_s8",
                "pcm_s16be",
                "pcm_s24be",
                "pcm_s32be",
                "pcm_f32be",
                "pcm_f64be",
            ],
        ),
        (
            "aiff",
            &[
                "pcm_s8",
                "pcm_s16be",
                "pcm_s24be",
                "pcm_s32be",
                "pcm_f32be",
                "pcm_f64be",
                "pcm_alaw",
                "pcm_mulaw",
                "pcm_s16le",
                "adpcm_ima_qt",
            ],
        ),
    ] {
        for codec in codecs {
            // The order of samples differs only for ADPCM.
            let counts = if codec.starts_with("adpcm") {
                &["1", "2"][..]
            } else {
                &["2"]
            };
            for channels in counts {
                let name = format!("{container} {codec} {channels}");
                let content = converted(&["-f", container, "-c:a", codec, "-ac", channels]);
                let (file, output) = both_ways(&content);
                assert_eq!(file.container(), container, "{name}");
                assert_eq!(file.tracks()[0].codec, *codec, "{name}");
                assert!(output.lost.is_empty(), "{name}: {:?}", output.lost);
                assert!(!file.is_cut_short(), "{name}");
                is_same(&name, &output, &compare::ffmpeg(&content, &[]));
                let duration_s = file.tracks()[0].duration_s.unwrap();
                assert!((duration_s - output.duration_s()).abs() < 0.05, "{name}");
            }
        }
    }
    for (name, arguments) in [
        ("rf64", &["-f", "wav", "-rf64", "always"][..]),
        ("wav", &["-f", "wav", "-ac", "6"]),
        ("wav", &["-f", "wav", "-ac", "8", "-ar", "96000"]),
        (
            "wav",
            &[
                "-f",
                "wav",
                "-write_bext",
                "1",
                "-metadata",
                "description=hello",
            ],
        ),
        ("sphere", &[]),
    ] {
        let content = match name {
            "sphere" => sphere("pcm", "01"),
            _ => converted(arguments),
        };
        let (file, output) = both_ways(&content);
        assert_eq!(file.container(), name);
        is_same(name, &output, &compare::ffmpeg(&content, &[]));
    }
}

#[test]
fn contradictory_formats_are_resolved() {
    let base = format(1, 2, 8000, 32_000, 4, 16);
    let second = |fields: &[u8], extra: &[u8]| [fields, extra].concat();
    for (name, chunk, codec, unit_bytes) in [
        ("14 bytes", base[..14].to_vec(), "pcm_s16le", 4),
        ("16 bytes", base.clone(), "pcm_s16le", 4),
        ("18 bytes", second(&base, &[0, 0]), "pcm_s16le", 4),
        ("20 bytes", second(&base, &[2, 0, 0, 0]), "pcm_s16le", 4),
        ("odd length", second(&base, &[0]), "pcm_s16le", 4),
        ("no block", format(1, 2, 8000, 0, 0, 16), "pcm_s16le", 4),
        (
            "block of one channel",
            format(1, 2, 8000, 16_000, 2, 16),
            "pcm_s16le",
            4,
        ),
        ("no bits", format(1, 2, 8000, 32_000, 4, 0), "pcm_s16le", 4),
        ("12 bits", format(1, 1, 8000, 16_000, 2, 12), "pcm_s16le", 2),
        (
            "20 bits in 3 bytes",
            format(1, 1, 8000, 24_000, 3, 20),
            "pcm_s24le",
            3,
        ),
        (
            "20 bits in 4 bytes",
            extensible(&format(1, 1, 8000, 32_000, 4, 32), 20, 4, 1),
            "pcm_s32le",
            4,
        ),
        (
            "16 bits in 4 bytes",
            format(1, 1, 8000, 32_000, 4, 16),
            "pcm_s32le",
            4,
        ),
        ("8 bits", format(1, 1, 8000, 8000, 1, 8), "pcm_u8", 1),
        (
            "mu-law, 16 bits",
            format(7, 1, 8000, 16_000, 2, 16),
            "pcm_mulaw",
            1,
        ),
        ("A-law, no bits", format(6, 2, 8000, 0, 0, 0), "pcm_alaw", 2),
        (
            "float, no bits",
            format(3, 1, 8000, 32_000, 4, 0),
            "pcm_f32le",
            4,
        ),
        (
            "valid bits 0",
            extensible(&format(1, 1, 8000, 32_000, 4, 32), 0, 4, 3),
            "pcm_f32le",
            4,
        ),
        (
            "sub-format cut away",
            extensible(&base, 16, 3, 1)[..24].to_vec(),
            "pcm_s16le",
            4,
        ),
        (
            "mask of 6 for 2",
            extensible(&base, 16, 0x3f, 1),
            "pcm_s16le",
            4,
        ),
        (
            "extensible mu-law",
            extensible(&format(7, 1, 8000, 8000, 1, 8), 8, 4, 7),
            "pcm_mulaw",
            1,
        ),
        ("64 bits", format(3, 1, 8000, 64_000, 8, 64), "pcm_f64le", 8),
    ] {
        let content = riff(&[(b"fmt ", &chunk), (b"data", &[0; 96])]);
        let (file, output) = both_ways(&content);
        assert_eq!(file.tracks()[0].codec, codec, "{name}");
        let frames = output.samples.len() / output.channels;
        assert_eq!(frames, 96 / unit_bytes, "{name}");
        assert!(output.lost.is_empty(), "{name}: {:?}", output.lost);
    }
}

#[test]
fn an_impossible_rate_is_derived_from_other_fields() {
    for (rate, second, expected) in [
        (1_092_676, 88_200, 44_100),
        (0, 16_000, 8000),
        (44_100, 16_000, 44_100),
        (1_092_676, 7, 1_092_676),
    ] {
        let chunk = format(1, 1, rate, second, 2, 16);
        let file = open(&riff(&[(b"fmt ", &chunk), (b"data", &[0; 96])]));
        assert_eq!(file.tracks()[0].parameters.sample_rate, Some(expected));
    }
}

#[test]
fn other_codecs_are_named() {
    for (chunk, name) in [
        (format(0x31, 1, 8000, 1625, 65, 0), "GSM 6.10"),
        (format(0x45, 1, 8000, 4000, 1, 4), "G.726"),
        (format(0x28f, 1, 16_000, 8000, 1, 4), "G.722"),
        (format(0x22, 1, 8000, 1067, 32, 1), "DSP Group TrueSpeech"),
        (
            format(0x161, 2, 44_100, 8005, 744, 16),
            "Windows Media Audio",
        ),
        (
            format(0xbeef, 2, 44_100, 8005, 744, 16),
            "an unknown codec (WAVE format tag 0xbeef)",
        ),
        (format(0x11, 6, 44_100, 8005, 744, 4), "IMA ADPCM"),
        (
            format(1, 1, 44_100, 0, 4, 24),
            "Cool Edit floating-point PCM",
        ),
        (
            format(3, 1, 44_100, 0, 2, 16),
            "floating-point PCM of 16 bits",
        ),
        (format(1, 1, 44_100, 0, 8, 64), "PCM of 64 bits"),
        (
            extensible(&format(1, 2, 48_000, 0, 4, 16), 16, 3, 0x92),
            "AC-3 (Dolby Digital)",
        ),
    ] {
        let content = riff(&[(b"fmt ", &chunk), (b"data", &[0; 96])]);
        let mut file = open(&content);
        let track = &file.tracks()[0];
        assert_eq!(track.codec, name);
        assert_eq!(
            track.parameters.codec,
            symphonia::core::codecs::audio::CODEC_ID_NULL_AUDIO
        );
        assert!(matches!(file.step(), Ok(Step::End)));
    }
}

#[test]
fn unrealistic_formats_are_refused() {
    for (chunk, message) in [
        (format(1, 0, 8000, 0, 2, 16), "it claims 0 channels"),
        (format(1, 33, 8000, 0, 66, 16), "it claims 33 channels"),
        (
            format(1, 65_535, 8000, 0, 2, 16),
            "it claims 65535 channels",
        ),
        (format(1, 1, 0, 0, 2, 16), "claims 0 samples per second"),
        (
            format(2, 2, 8000, 0, 13, 4),
            "blocks of ADPCM have only 13 bytes",
        ),
        (
            format(1, 1, 8000, 0, 2, 16)[..12].to_vec(),
            "`fmt ` chunk has only 12 bytes",
        ),
    ] {
        let content = riff(&[(b"fmt ", &chunk), (b"data", &[0; 96])]);
        let error = PcmFile::open(source(&content)).err().unwrap().to_string();
        assert!(error.contains(message), "{error}");
    }
    let mut aiff = converted(&["-f", "aiff"]);
    let common = aiff.windows(4).position(|id| id == b"COMM").unwrap();
    aiff[common + 8..common + 10].copy_from_slice(&[0xff, 0xff]);
    let error = PcmFile::open(source(&aiff)).err().unwrap().to_string();
    assert!(error.contains("it claims 65535 channels"), "{error}");
}

#[test]
fn a_truncated_adpcm_block_is_decoded() {
    for codec in ["adpcm_ms", "adpcm_ima_wav"] {
        let whole = converted(&["-f", "wav", "-c:a", codec]);
        let all = decode(&mut open(&whole));
        let cut = &whole[..whole.len() - 700];
        let mut file = open(cut);
        let output = decode(&mut file);
        assert!(file.is_cut_short());
        assert!(output.lost.is_empty(), "{:?}", output.lost);
        let missing = all.samples.len() - output.samples.len();
        assert!((1300..1500).contains(&missing), "{codec}: {missing}");
    }
}

#[test]
fn mpeg_audio_is_delegated() {
    let content = converted(&["-f", "wav", "-c:a", "mp3"]);
    let mut file = open(&content);
    assert_eq!(file.tracks()[0].codec, "mp3");
    let range = file.mpeg_audio().unwrap();
    assert_eq!(content[range.start as usize], 0xff);
    assert!(range.end <= content.len() as u64 && range.end > range.start + 1000);
    assert!(matches!(file.step(), Ok(Step::End)));
    assert_eq!(open(&spoken()).mpeg_audio(), None);
}

#[test]
fn both_byte_orders_are_read() {
    let fields = |tag: u16, bits: u16| {
        let mut chunk = Vec::new();
        for field in [tag, 1] {
            chunk.extend_from_slice(&field.to_be_bytes());
        }
        chunk.extend_from_slice(&8000_u32.to_be_bytes());
        chunk.extend_from_slice(&(8000 * u32::from(bits / 8)).to_be_bytes());
        chunk.extend_from_slice(&(bits / 8).to_be_bytes());
        chunk.extend_from_slice(&bits.to_be_bytes());
        chunk
    };
    let mut rifx = b"RIFX\0\0\0\x2cWAVEfmt \0\0\0\x10".to_vec();
    rifx.extend_from_slice(&fields(1, 16));
    rifx.extend_from_slice(b"data\0\0\0\x04\x40\0\xc0\0");
    assert_eq!(both_ways(&rifx).1.samples, [0.5, -0.5]);
    let mut dns = b"dns.".to_vec();
    for field in [24_u32, 4, 3, 8000, 1] {
        dns.extend_from_slice(&field.to_le_bytes());
    }
    dns.extend_from_slice(b"\0\x40\0\xc0");
    assert_eq!(both_ways(&dns).1.samples, [0.5, -0.5]);
}
