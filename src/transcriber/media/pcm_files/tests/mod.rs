//! Real files and hand-made headers, compared with ffmpeg's output.

mod formats;
mod structure;

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
