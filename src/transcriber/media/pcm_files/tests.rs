//! Real files and hand-made headers, compared with ffmpeg's output.

use std::io::Cursor;
use std::sync::OnceLock;

use super::super::Source;
use super::super::compare::{self, Output, decode, is_same};
use super::super::reader::Reader;
use super::*;
use crate::testing::{self, PHRASE};

fn source(content: &[u8]) -> Source {
    Source::new(testing::file(content), content.len() as u64)
}

fn open(content: &[u8]) -> PcmFile {
    PcmFile::open(source(content)).unwrap()
}

/// For [`Framing::Units`]: the same result from the file and from a stream.
fn both_ways(content: &[u8]) -> (PcmFile, Output) {
    let mut file = open(content);
    let output = decode(&mut file);
    let mut stream = PcmFile::from_stream(Cursor::new(content.to_vec())).unwrap();
    assert_eq!(decode(&mut stream).samples, output.samples);
    (file, output)
}

fn spoken() -> Vec<u8> {
    converted(&["-f", "wav", "-bitexact"])
}

fn converted(arguments: &[&str]) -> Vec<u8> {
    static SPOKEN: OnceLock<std::fs::File> = OnceLock::new();
    let spoken = SPOKEN.get_or_init(|| testing::spoken(PHRASE));
    // A separate descriptor: tests run in parallel, and the offset is shared.
    let spoken = testing::file(&testing::bytes(spoken));
    testing::bytes(&testing::converted(&spoken, arguments))
}

/// A file of RIFF chunks.
fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut content = b"RIFF\0\0\0\0WAVE".to_vec();
    for (id, body) in chunks {
        content.extend_from_slice(*id);
        content.extend_from_slice(&(body.len() as u32).to_le_bytes());
        content.extend_from_slice(body);
        if body.len() % 2 == 1 {
            content.push(0);
        }
    }
    let size_bytes = content.len() as u32 - 8;
    content[4..8].copy_from_slice(&size_bytes.to_le_bytes());
    content
}

/// `fmt ` of 16 bytes.
fn format(tag: u16, channels: u16, rate: u32, second: u32, block: u16, bits: u16) -> Vec<u8> {
    let mut chunk = Vec::new();
    chunk.extend_from_slice(&tag.to_le_bytes());
    chunk.extend_from_slice(&channels.to_le_bytes());
    chunk.extend_from_slice(&rate.to_le_bytes());
    chunk.extend_from_slice(&second.to_le_bytes());
    chunk.extend_from_slice(&block.to_le_bytes());
    chunk.extend_from_slice(&bits.to_le_bytes());
    chunk
}

/// WAVEFORMATEXTENSIBLE around [`format`].
fn extensible(fields: &[u8], valid_bits: u16, mask: u32, tag: u16) -> Vec<u8> {
    let mut chunk = fields.to_vec();
    chunk[..2].copy_from_slice(&[0xfe, 0xff]);
    chunk.extend_from_slice(&22_u16.to_le_bytes());
    chunk.extend_from_slice(&valid_bits.to_le_bytes());
    chunk.extend_from_slice(&mask.to_le_bytes());
    chunk.extend_from_slice(&tag.to_le_bytes());
    chunk.extend_from_slice(b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
    chunk
}

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

fn sphere(coding: &str, order: &str) -> Vec<u8> {
    let samples = converted(&["-f", "s16le", "-ar", "16000"]);
    let mut content = format!(
        "NIST_1A\n   1024\nsample_count -i {}\nsample_n_bytes -i 2\nchannel_count -i 1\n\
         sample_byte_format -s2 {order}\nsample_rate -i 16000\nsample_coding -s3 {coding}\nend_head\n",
        samples.len() / 2
    )
    .into_bytes();
    content.resize(1024, b' ');
    content.extend_from_slice(&samples);
    content
}

#[test]
fn incomplete_headers_yield_all_data() {
    let whole = spoken();
    let data = whole.windows(4).position(|id| id == b"data").unwrap();
    let samples = (whole.len() - data - 8) / 2;
    for (riff_size, data_size, cut_short) in [
        (0_u32, 0_u32, false),
        (36, 0, false),
        (u32::MAX, u32::MAX, false),
        (u32::MAX, 0, false),
        (0x7fff_ffff, 0x7fff_ffff, false),
        (0x8000_0000, 0x7fff_ffff - 36, false),
        (0x7fff_f024, 0x7fff_f000, false),
        (u32::MAX, u32::MAX - 36, false),
        // RIFF wrong, data right
        (whole.len() as u32 - 16, samples as u32 * 2, false),
        (8, samples as u32 * 2, false),
        // includes its own header
        (whole.len() as u32, whole.len() as u32, false),
        // more than exists
        (
            whole.len() as u32 + 100_000,
            samples as u32 * 2 + 100_000,
            true,
        ),
    ] {
        let mut content = whole.clone();
        content[4..8].copy_from_slice(&riff_size.to_le_bytes());
        content[data + 4..data + 8].copy_from_slice(&data_size.to_le_bytes());
        let name = format!("RIFF {riff_size:#x}, data {data_size:#x}");
        let (file, output) = both_ways(&content);
        assert_eq!(output.samples.len(), samples, "{name}");
        assert_eq!(file.is_cut_short(), cut_short, "{name}");
        let duration_s = file.tracks()[0].duration_s.unwrap();
        assert!((duration_s - output.duration_s()).abs() < 0.001, "{name}");
    }
}

#[test]
fn a_piped_header_of_ffmpeg_is_read_from_the_pipe() {
    let whole = spoken();
    let mut ffmpeg = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "wav", "-i", "-", "-c:a", "pcm_f32le"])
        .args(["-f", "wav", "-"])
        .stdin(std::process::Stdio::from(testing::file(&whole)))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = PcmFile::from_stream(ffmpeg.stdout.take().unwrap()).unwrap();
    assert_eq!(stream.tracks()[0].codec, "pcm_f32le");
    assert_eq!(stream.tracks()[0].duration_s, None);
    let output = decode(&mut stream);
    ffmpeg.wait().unwrap();
    assert!(!stream.is_cut_short());
    assert_eq!(output.samples, decode(&mut open(&whole)).samples);
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
fn chunks_around_the_data_are_skipped() {
    let sound: Vec<u8> = (1..=200).collect();
    let fields = format(1, 1, 8000, 16_000, 2, 16);
    let length_of = |content: &[u8]| {
        let (file, output) = both_ways(content);
        assert!(!file.is_cut_short());
        output.samples.len()
    };
    type Chunks<'a> = Vec<(&'a [u8; 4], &'a [u8])>;
    let cases: [(&str, Chunks, usize); 6] = [
        (
            "JUNK, bext before",
            vec![
                (b"JUNK", &[0; 28]),
                (b"bext", &[7; 603]),
                (b"fmt ", &fields),
                (b"data", &sound),
            ],
            100,
        ),
        (
            "LIST behind",
            vec![
                (b"fmt ", &fields),
                (b"data", &sound),
                (b"LIST", b"INFOICMT"),
            ],
            100,
        ),
        (
            "sound in two chunks",
            vec![
                (b"fmt ", &fields),
                (b"data", &sound),
                (b"LIST", &[1; 5]),
                (b"data", &sound),
            ],
            200,
        ),
        (
            "empty, LIST behind",
            vec![(b"fmt ", &fields), (b"data", &[]), (b"LIST", b"INFOICMT")],
            0,
        ),
        ("empty", vec![(b"fmt ", &fields), (b"data", &[])], 0),
        (
            "an odd byte at the end",
            vec![(b"fmt ", &fields), (b"data", &sound[..199])],
            99,
        ),
    ];
    for (name, chunks, expected) in cases {
        assert_eq!(length_of(&riff(&chunks)), expected, "{name}");
    }
    // An odd LIST without padding, and one that exceeds the file.
    let mut content = riff(&[(b"fmt ", &fields), (b"LIST", b"INFO!"), (b"data", &sound)]);
    let place = content.windows(5).position(|end| end == b"INFO!").unwrap() + 5;
    content.remove(place);
    assert_eq!(length_of(&content), 100);
    let list = place - 5 - 4;
    content[list..list + 4].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
    assert_eq!(decode(&mut open(&content)).samples.len(), 100);
    // `fmt ` after the data: only a file allows seeking back.
    let content = riff(&[(b"data", &sound), (b"fmt ", &fields)]);
    assert_eq!(decode(&mut open(&content)).samples.len(), 100);
    assert!(PcmFile::from_stream(Cursor::new(content)).is_err());
}

#[test]
fn an_appended_file_is_left_to_the_caller() {
    for arguments in [
        &["-f", "wav"][..],
        &["-f", "aiff"],
        &["-f", "au"],
        &["-f", "w64"],
    ] {
        let one = converted(arguments);
        let mut file = open(&[one.clone(), one.clone()].concat());
        let output = decode(&mut file);
        assert_eq!(
            output.samples,
            decode(&mut open(&one)).samples,
            "{arguments:?}"
        );
        assert_eq!(file.end_bytes(), Some(one.len() as u64), "{arguments:?}");
    }
}

#[test]
fn durations_of_long_files_are_known() {
    const GIB: u64 = 1 << 30;
    let sparse = |head: &[u8], size_bytes: u64| {
        let file = testing::file(head);
        file.set_len(size_bytes).unwrap();
        PcmFile::open(Source::new(file, size_bytes)).unwrap()
    };
    let fields = format(1, 2, 48_000, 192_000, 4, 16);
    let mut rf64 = b"RF64\xff\xff\xff\xffWAVEds64".to_vec();
    rf64.extend_from_slice(&28_u32.to_le_bytes());
    for field in [0, 5 * GIB, 0] {
        rf64.extend_from_slice(&field.to_le_bytes());
    }
    rf64.extend_from_slice(&[0; 4]);
    rf64.extend_from_slice(b"fmt \x10\0\0\0");
    rf64.extend_from_slice(&fields);
    rf64.extend_from_slice(b"data\xff\xff\xff\xff");
    let seconds = |bytes: u64| Some(bytes as f64 / 192_000.0);
    let begin = rf64.len() as u64;
    let file = sparse(&rf64, begin + 6 * GIB);
    assert_eq!(file.tracks()[0].duration_s, seconds(5 * GIB));
    rf64[28..36].fill(0);
    let file = sparse(&rf64, begin + 6 * GIB);
    assert_eq!(file.tracks()[0].duration_s, seconds(6 * GIB));
    // A 32-bit size that overflowed.
    let mut wrapped = riff(&[(b"fmt ", &fields), (b"data", &[])]);
    let begin = wrapped.len();
    wrapped[begin - 4..].copy_from_slice(&(GIB as u32).to_le_bytes());
    let file = sparse(&wrapped, begin as u64 + 5 * GIB);
    assert_eq!(file.tracks()[0].duration_s, seconds(5 * GIB));
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

#[test]
fn shared_recordings_match_ffmpeg() {
    let mut read = 0;
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
            // Long ones only take longer.
            let head = &content[..content.len().min(RECOGNISE_BYTES)];
            if !recognises(head) || content.len() > 6_000_000 {
                continue;
            }
            let name = path.display().to_string();
            let mut file = match PcmFile::open(source(&content)) {
                Ok(file) => file,
                Err(error) => {
                    assert!(name.contains("invalid"), "{name}: {error}");
                    continue;
                }
            };
            let output = decode(&mut file);
            if output.packets > 0 {
                is_same(&name, &output, &compare::ffmpeg(&content, &[]));
                assert!(output.lost.is_empty(), "{name}: {:?}", output.lost);
            }
            println!(
                "{name}: {}/{} {:.2} s{}",
                file.container(),
                file.tracks()[0].codec,
                output.duration_s(),
                if file.is_cut_short() {
                    ", cut short"
                } else {
                    ""
                }
            );
            read += 1;
        }
    }
    println!("{read} recordings");
}

#[test]
fn damaged_and_truncated_files_end() {
    let read = |content: Vec<u8>| {
        if let Ok(mut file) = PcmFile::open(source(&content)) {
            decode(&mut file);
        }
        if let Ok(mut stream) = PcmFile::from_stream(Cursor::new(content)) {
            decode(&mut stream);
        }
    };
    for arguments in [
        &["-f", "wav", "-ar", "8000"][..],
        &["-f", "wav", "-ar", "8000", "-rf64", "always"],
        &["-f", "wav", "-ar", "8000", "-c:a", "adpcm_ms"],
        &["-f", "wav", "-ar", "8000", "-c:a", "adpcm_ima_wav"],
        &["-f", "w64", "-ar", "8000"],
        &["-f", "au", "-ar", "8000"],
        &["-f", "aiff", "-ar", "8000"],
        &["-f", "aiff", "-ar", "8000", "-c:a", "adpcm_ima_qt"],
    ] {
        compare::survives(&converted(arguments), read);
    }
    compare::survives(&sphere("pcm", "10"), read);
}

/// `cargo test --release -- --ignored --nocapture speed_of_reading`
#[test]
#[ignore = "a measurement"]
fn speed_of_reading() {
    let samples = 44_100 * 600 * 2;
    let sound: Vec<u8> = (0..samples)
        .flat_map(|index: i32| ((index * 7919 % 20_011) as i16).to_le_bytes())
        .collect();
    let content = riff(&[
        (b"fmt ", &format(1, 2, 44_100, 176_400, 4, 16)),
        (b"data", &sound),
    ]);
    let mut file = open(&content);
    let start = std::time::Instant::now();
    while !matches!(file.step().unwrap(), Step::End) {}
    println!(
        "reading alone: {:.0} x",
        600.0 / start.elapsed().as_secs_f64()
    );
    let start = std::time::Instant::now();
    let output = decode(&mut open(&content));
    println!(
        "with the decoder: {:.0} x",
        output.duration_s() / start.elapsed().as_secs_f64()
    );
}
