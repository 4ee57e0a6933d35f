//! Blocks and their presentation times.

use super::*;

#[test]
fn frames_in_blocks_of_all_kinds() {
    let two = [sound(1), sound(2)].concat();
    let sizes = 1600_u16.to_be_bytes();
    for (name, blocks) in [
        (
            "simple",
            vec![simple(1, 0, &sound(1)), simple(1, 100, &sound(2))],
        ),
        (
            "fixed",
            vec![element(
                ids::SIMPLE_BLOCK,
                &block(1, 0, 0x04, &[&[1], &two[..]].concat()),
            )],
        ),
        (
            "xiph",
            vec![element(
                ids::SIMPLE_BLOCK,
                &block(
                    1,
                    0,
                    0x02,
                    &[&[1, 255, 255, 255, 255, 255, 255, 70], &two[..]].concat(),
                ),
            )],
        ),
        (
            "ebml, in a group",
            vec![element(
                ids::BLOCK_GROUP,
                &element(
                    ids::BLOCK,
                    &block(
                        1,
                        0,
                        0x06,
                        &[&[1, 0x40 | sizes[0], sizes[1]], &two[..]].concat(),
                    ),
                ),
            )],
        ),
    ] {
        let (found, lost, _) = packets(&segment(&[track(1, &[])], &[cluster(50, &blocks)]));
        assert!(lost.is_empty(), "{name}");
        let found: Vec<_> = found.iter().map(|packet| &packet.data[..]).collect();
        assert_eq!(found, [&sound(1)[..], &sound(2)], "{name}");
    }
}

#[test]
fn times_count_from_the_first_block_of_any_track() {
    let video = element(
        ids::TRACK_ENTRY,
        &[number(ids::TRACK_NUMBER, 2), number(ids::TRACK_TYPE, 1)].concat(),
    );
    let tracks = [track(1, &[]), video];
    let late = segment(
        &tracks,
        &[
            cluster(1000, &[simple(1, 30, &sound(1)), simple(2, 0, b"picture")]),
            cluster(7000, &[simple(1, 0, &sound(1)), simple(1, -100, &sound(1))]),
        ],
    );
    assert_eq!(times(&late), [Some(0.03), Some(6.0), Some(5.9)]);
    assert_eq!(open(&late).others(), "1 video track");
    // A tick of 20 ms, and audio that is late by CodecDelay.
    let delayed = track(1, &[number(ids::CODEC_DELAY, 50_000_000)]);
    let info = element(ids::INFO, &number(ids::TIMESTAMP_SCALE, 20_000_000));
    let content = segment(
        &[info[..0].to_vec(), delayed],
        &[
            info,
            cluster(5, &[simple(1, 0, &sound(1)), simple(1, 5, &sound(1))]),
        ],
    );
    let (found, _, _) = packets(&content);
    assert_eq!(found[0].trim_start_frames, 400);
    assert_eq!(found[0].time_s, Some(0.0));
    assert_eq!(found[1].trim_start_frames, 0);
    assert_eq!(found[1].time_s, Some(0.05));
}

#[test]
fn padding_is_trimmed() {
    let padded = |padding_ns: i64| {
        let group = [
            element(ids::BLOCK, &block(1, 0, 0, &sound(1))),
            element(ids::DISCARD_PADDING, &padding_ns.to_be_bytes()[2..]),
        ]
        .concat();
        let content = segment(
            &[track(1, &[])],
            &[cluster(0, &[element(ids::BLOCK_GROUP, &group)])],
        );
        let packet = packets(&content).0.remove(0);
        (
            packet.time_s,
            packet.trim_start_frames,
            packet.trim_end_frames,
        )
    };
    assert_eq!(padded(25_000_000), (Some(0.0), 0, 200));
    assert_eq!(padded(-25_000_000), (Some(0.025), 200, 0));
}
