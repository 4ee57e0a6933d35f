use std::ops::Range;

use super::super::input::Input;
use super::super::tables::TableRanges;
use super::*;
use crate::media::Source;
use crate::testing;

fn input(content: &[u8]) -> Input {
    Input::new(Source::new(testing::file(content), content.len() as u64))
}

/// Appends the content of a table box to `content`; returns its range.
fn table(content: &mut Vec<u8>, words: &[u32]) -> Range<u64> {
    let start = content.len() as u64;
    content.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    start..content.len() as u64
}

/// Three chunks of two, two and one samples; the fourth sample is longer.
fn cursor() -> Cursor {
    let mut content = Vec::new();
    let ranges = TableRanges {
        times: Some(table(&mut content, &[0, 3, 3, 10, 0, 77, 2, 50])),
        composition_offsets: Some(table(&mut content, &[0, 2, 4, 0, 1, 5])),
        chunks: Some(table(&mut content, &[0, 2, 1, 2, 1, 3, 1, 2])),
        sizes: Some((table(&mut content, &[0, 0, 5, 1, 2, 3, 4, 5]), true)),
        chunk_offsets: Some((table(&mut content, &[0, 3, 100, 200, 300]), false)),
    };
    Cursor::new(Tables::load(&mut input(&content), &ranges).unwrap(), 0)
}

#[test]
fn samples_are_found_through_all_tables() {
    let mut cursor = cursor();
    let found: Vec<_> = std::iter::from_fn(|| cursor.next(|_| None))
        .map(|piece| {
            let Piece {
                offset_bytes,
                size_bytes,
                time,
                duration,
                entry,
            } = piece;
            (offset_bytes, size_bytes, time, duration, entry)
        })
        .collect();
    assert_eq!(
        found,
        [
            (100, 1, 0, 10, 0),
            (101, 2, 10, 10, 0),
            (200, 3, 20, 10, 0),
            (203, 4, 30, 50, 0),
            (300, 5, 85, 50, 1),
        ]
    );
    assert_eq!(cursor.time(), 130);
}

#[test]
fn seeking_finds_the_sample_at_a_time() {
    let mut cursor = cursor();
    for (time, size_bytes) in [(0, 1), (9, 1), (10, 2), (79, 4), (80, 5), (-5, 1), (134, 5)] {
        cursor.seek(time, |_| None).unwrap();
        assert_eq!(
            cursor.next(|_| None).unwrap().size_bytes,
            size_bytes,
            "{time}"
        );
    }
    cursor.seek(1000, |_| None).unwrap();
    assert_eq!(cursor.next(|_| None), None);
}

#[test]
fn compact_sizes_are_unpacked() {
    for (bits, data, expected) in [
        (4, [0x12, 0x34], [1, 2, 3]),
        (8, [7, 200], [7, 200, 0]),
        (16, [1, 2], [258, 0, 0]),
    ] {
        let mut content = Vec::new();
        table(&mut content, &[0, bits, 3]);
        content.extend_from_slice(&data);
        let ranges = TableRanges {
            sizes: Some((0..content.len() as u64, false)),
            ..TableRanges::default()
        };
        let tables = Tables::load(&mut input(&content), &ranges).unwrap();
        let count = (16 / u64::from(bits)).min(3);
        assert_eq!(tables.sizes.count(), count, "{bits}");
        for index in 0..count {
            assert_eq!(
                tables.sizes.bytes(index),
                expected[index as usize],
                "{bits}"
            );
        }
    }
}

#[test]
fn oversized_tables_are_refused() {
    let ranges = TableRanges {
        sizes: Some((0..1 << 27, true)),
        ..TableRanges::default()
    };
    let error = Tables::load(&mut input(&[]), &ranges).err().unwrap();
    assert!(error.to_string().contains("takes 128 MiB"), "{error}");
}
