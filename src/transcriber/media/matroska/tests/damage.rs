//! Live, truncated and damaged files.

use super::*;

#[test]
fn live_files_are_not_truncated() {
    let blocks = |first: i16| {
        [
            simple(1, 0, &sound(first)),
            simple(1, 100, &sound(first + 1)),
        ]
        .concat()
    };
    let body = [
        element(ids::TRACKS, &track(1, &[])),
        endless(
            ids::CLUSTER,
            &[number(ids::TIMESTAMP, 0), blocks(1)].concat(),
        ),
        endless(
            ids::CLUSTER,
            &[number(ids::TIMESTAMP, 200), blocks(3)].concat(),
        ),
    ]
    .concat();
    let live = [header(), endless(ids::SEGMENT, &body)].concat();
    let (found, lost, file) = packets(&live);
    assert_eq!(found.len(), 4);
    assert_eq!(found[3].time_s, Some(0.3));
    assert!(lost.is_empty() && !file.is_cut_short());
    let (found, lost, file) = packets(&live[..live.len() - 900]);
    assert_eq!(found.len(), 3);
    assert!(lost.is_empty() && !file.is_cut_short());
    // With sizes, the same end is a truncation.
    let whole = segment(
        &[track(1, &[])],
        &[cluster(0, &[blocks(1)]), cluster(200, &[blocks(3)])],
    );
    assert!(!packets(&whole).2.is_cut_short());
    let (found, lost, file) = packets(&whole[..whole.len() - 900]);
    assert_eq!((found.len(), lost.len()), (3, 0));
    assert!(file.is_cut_short());
    // Appended files are left to the caller, in both.
    for one in [live, whole] {
        let (found, _, file) = packets(&[one.clone(), one.clone()].concat());
        assert_eq!(found.len(), 4);
        assert_eq!(file.end_bytes(), Some(one.len() as u64));
        assert!(!file.is_cut_short());
    }
}

#[test]
fn after_damage_the_next_block_is_found() {
    let blocks: Vec<_> = (0..8)
        .map(|index| simple(1, index * 100, &sound(1)))
        .collect();
    let whole = segment(
        &[track(1, &[])],
        &[cluster(0, &blocks), cluster(800, &blocks)],
    );
    let second = whole
        .windows(4)
        .enumerate()
        .filter(|(_, bytes)| *bytes == ids::CLUSTER.to_be_bytes())
        .nth(1)
        .unwrap()
        .0;
    let third_block = whole
        .windows(2)
        .enumerate()
        .filter(|(_, bytes)| *bytes == [0xa3, 0x01])
        .nth(2)
        .unwrap()
        .0;
    for (name, place, damage, packets_left, lost_places) in [
        ("a block's id", third_block, &[0x00][..], 15, 1),
        ("a block's size", third_block + 1, &[0x01, 0, 0, 9], 15, 1),
        ("a block's size, a little", third_block + 7, &[0xff], 15, 1),
        ("a cluster's id", second, &[0x1f, 0x43, 0xb6, 0x76], 16, 0),
        ("a cluster's id, wholly", second, &[0x00], 16, 1),
        ("500 bytes", third_block - 100, &[0x55; 500], 15, 1),
    ] {
        let mut content = whole.clone();
        content[place..place + damage.len()].copy_from_slice(damage);
        let (found, lost, _) = packets(&content);
        assert_eq!(
            (found.len(), lost.len()),
            (packets_left, lost_places),
            "{name}: {lost:?}"
        );
        if name != "a cluster's id, wholly" {
            assert_eq!(found.last().unwrap().time_s, Some(1.5), "{name}");
        }
    }
}

#[test]
fn damaged_headers_and_times_lose_no_audio() {
    let void = element(ids::VOID, &[0; 50]);
    let body = [
        void,
        element(ids::TRACKS, &track(1, &[])),
        cluster(0, &[simple(1, 0, &sound(1))]),
        cluster(1 << 50, &[simple(1, 0, &sound(1))]),
        cluster(200, &[simple(1, 0, &sound(1))]),
    ]
    .concat();
    let whole = [header(), element(ids::SEGMENT, &body)].concat();
    let expected = [Some(0.0), None, Some(0.2)];
    assert_eq!(times(&whole), expected);
    let place = whole
        .windows(9)
        .position(|bytes| bytes == [0xec, 1, 0, 0, 0, 0, 0, 0, 50]);
    for damage in [&[0; 9][..], &[0xec, 0x7f, 0xf0], &[0xec, 0xff]] {
        let mut content = whole.clone();
        content[place.unwrap()..][..damage.len()].copy_from_slice(damage);
        assert_eq!(times(&content), expected, "{damage:02x?}");
    }
}

#[test]
fn the_list_of_tracks_may_come_last_and_claims_are_bounded() {
    let body = [
        cluster(0, &[simple(1, 0, &sound(1))]),
        element(ids::TRACKS, &track(1, &[])),
    ]
    .concat();
    let content = [header(), element(ids::SEGMENT, &body)].concat();
    assert_eq!(times(&content), [Some(0.0)]);
    let refused = |content: &[u8]| {
        Matroska::open(Source::new(testing::file(content), content.len() as u64))
            .err()
            .unwrap()
            .to_string()
    };
    let mut large = header();
    large.extend(endless(ids::SEGMENT, &id_bytes(ids::TRACKS)));
    large.extend((1_u64 << 56 | 1 << 40).to_be_bytes());
    assert!(refused(&large).contains("list of tracks claims 1099511627776 bytes"));
    assert!(refused(&header()).contains("truncated"));
    let entry = track(1, &[element(ids::AUDIO, &number(ids::CHANNELS, 1 << 40))]);
    let file = open(&segment(&[entry], &[]));
    assert_eq!(
        file.tracks()[0].codec,
        "pcm_s16le with 4294967295 channels at 8000 Hz"
    );
}

#[test]
fn damaged_and_truncated_files_end() {
    let read = |content: Vec<u8>| {
        let source = Source::new(testing::file(&content), content.len() as u64);
        if let Ok(mut file) = Matroska::open(source)
            && !file.tracks().is_empty()
        {
            decode(&mut file);
        }
    };
    for arguments in [
        &["-f", "webm", "-c:a", "libopus"][..],
        &["-f", "webm", "-c:a", "libopus", "-live", "1"],
        &["-f", "matroska", "-c:a", "pcm_s16le", "-ar", "8000"],
        &["-f", "matroska", "-c:a", "mp3"],
    ] {
        compare::survives(&converted(arguments), read);
    }
}
