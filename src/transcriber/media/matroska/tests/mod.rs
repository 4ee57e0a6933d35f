//! Files written by ffmpeg and by hand, compared with ffmpeg's output.

mod blocks;
mod codecs;
mod damage;

use miniz_oxide::deflate::compress_to_vec_zlib;

use std::sync::OnceLock;

use super::super::Source;
use super::super::compare::{self, Output, decode, is_same};
use super::super::reader::Reader;
use super::*;
use crate::testing::{self, PHRASE};

fn open(content: &[u8]) -> Matroska {
    Matroska::open(Source::new(testing::file(content), content.len() as u64)).unwrap()
}

fn output(content: &[u8]) -> (Matroska, Output) {
    let mut file = open(content);
    let output = decode(&mut file);
    (file, output)
}

fn converted(arguments: &[&str]) -> Vec<u8> {
    static SPOKEN: OnceLock<std::fs::File> = OnceLock::new();
    let spoken = SPOKEN.get_or_init(|| testing::spoken(PHRASE));
    // A separate descriptor: tests run in parallel, and the offset is shared.
    let spoken = testing::file(&testing::bytes(spoken));
    testing::bytes(&testing::converted(&spoken, arguments))
}

/// An element.
fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u64 | 1 << 56).to_be_bytes();
    [&id_bytes(id), &size[..], body].concat()
}

/// An element of unknown size.
fn endless(id: u32, body: &[u8]) -> Vec<u8> {
    [
        &id_bytes(id),
        &[0x01, 255, 255, 255, 255, 255, 255, 255][..],
        body,
    ]
    .concat()
}

fn id_bytes(id: u32) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..].to_vec()
}

fn number(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// A track of 16-bit samples at 8 kHz.
fn track(number_: u64, extra: &[Vec<u8>]) -> Vec<u8> {
    let audio = [
        element(ids::SAMPLING_FREQUENCY, &8000_f64.to_be_bytes()),
        number(ids::BIT_DEPTH, 16),
    ]
    .concat();
    let mut entry = [
        number(ids::TRACK_NUMBER, number_),
        number(ids::TRACK_TYPE, 2),
        element(ids::CODEC_ID, b"A_PCM/INT/LIT"),
        element(ids::AUDIO, &audio),
    ]
    .concat();
    entry.extend(extra.concat());
    element(ids::TRACK_ENTRY, &entry)
}

fn header() -> Vec<u8> {
    element(ids::EBML, &element(ids::DOC_TYPE, b"matroska"))
}

/// A block of a track below 127: its header and `body`.
fn block(track: u8, relative: i16, flags: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = relative.to_be_bytes();
    [&[0x80 | track, high, low, flags], body].concat()
}

fn simple(track: u8, relative: i16, body: &[u8]) -> Vec<u8> {
    element(ids::SIMPLE_BLOCK, &block(track, relative, 0x80, body))
}

fn cluster(timestamp: u64, blocks: &[Vec<u8>]) -> Vec<u8> {
    let body = [number(ids::TIMESTAMP, timestamp), blocks.concat()].concat();
    element(ids::CLUSTER, &body)
}

fn segment(tracks: &[Vec<u8>], clusters: &[Vec<u8>]) -> Vec<u8> {
    let body = [element(ids::TRACKS, &tracks.concat()), clusters.concat()].concat();
    [header(), element(ids::SEGMENT, &body)].concat()
}

/// 100 ms of a constant.
fn sound(value: i16) -> Vec<u8> {
    value.to_le_bytes().repeat(800)
}

fn packets(content: &[u8]) -> (Vec<Packet>, Vec<String>, Matroska) {
    let mut file = open(content);
    file.select(0);
    let (mut packets, mut lost) = (Vec::new(), Vec::new());
    for _ in 0..10_000 {
        match file.step().unwrap() {
            Step::Packet(packet) => packets.push(packet),
            Step::Lost { reason, .. } => lost.push(reason),
            Step::Nothing => {}
            Step::Changed(_) => panic!("nothing changes"),
            Step::End => return (packets, lost, file),
        }
    }
    panic!("without end");
}

fn times(content: &[u8]) -> Vec<Option<f64>> {
    packets(content)
        .0
        .iter()
        .map(|packet| packet.time_s)
        .collect()
}
