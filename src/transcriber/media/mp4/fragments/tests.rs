use super::super::run::*;
use super::*;

fn boxed(kind: &[u8; 4], words: &[u32]) -> Vec<u8> {
    let mut content = ((8 + words.len() * 4) as u32).to_be_bytes().to_vec();
    content.extend_from_slice(kind);
    content.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    content
}

fn wrapped(kind: &[u8; 4], content: &[Vec<u8>]) -> Vec<u8> {
    let content = content.concat();
    let mut wrapped = ((8 + content.len()) as u32).to_be_bytes().to_vec();
    wrapped.extend_from_slice(kind);
    wrapped.extend(content);
    wrapped
}

/// Offset, size and time of the samples.
fn pieces(fragments: &mut Fragments) -> Vec<(u64, u64, i64)> {
    std::iter::from_fn(|| fragments.next(|_| None))
        .map(|piece| (piece.offset_bytes, piece.size_bytes, piece.time))
        .collect()
}

const DEFAULTS: Defaults = Defaults {
    description: 1,
    duration: 10,
    size: 4,
};
const BASE_IS_MOOF: u32 = 0x02_0000;

#[test]
fn data_offsets_follow_the_flags() {
    // Two tracks; track 7 is the second.
    let other = |flags: u32| {
        wrapped(
            b"traf",
            &[
                boxed(b"tfhd", &[flags, 3]),
                boxed(b"trun", &[RUN_HAS_OFFSET | SAMPLE_HAS_SIZE, 2, 100, 30, 40]),
            ],
        )
    };
    let run = |words: &[u32]| boxed(b"trun", words);
    for (name, header, runs, expected) in [
        (
            "from the moof",
            vec![BASE_IS_MOOF, 7],
            vec![run(&[RUN_HAS_OFFSET, 2, 50])],
            vec![(1050, 4, 0), (1054, 4, 10)],
        ),
        (
            "after the previous track",
            vec![0, 7],
            vec![
                run(&[0, 1]),
                run(&[SAMPLE_HAS_SIZE | SAMPLE_HAS_DURATION, 1, 5, 6]),
            ],
            vec![(1170, 4, 0), (1174, 6, 10)],
        ),
        (
            "from the start of the file, with defaults of its own",
            vec![1 | 8 | 0x10, 7, 0, 2000, 20, 9],
            vec![run(&[RUN_HAS_FIRST_FLAGS, 2, 0])],
            vec![(2000, 9, 0), (2009, 9, 20)],
        ),
        (
            "before the moof, presented later",
            vec![BASE_IS_MOOF, 7],
            vec![run(&[
                RUN_HAS_OFFSET | SAMPLE_HAS_COMPOSITION,
                1,
                -900_i32 as u32,
                33,
            ])],
            vec![(100, 4, 33)],
        ),
        (
            "more samples than there are",
            vec![BASE_IS_MOOF, 7],
            vec![run(&[SAMPLE_HAS_SIZE, u32::MAX, 8])],
            vec![(1000, 8, 0)],
        ),
    ] {
        let ours = [vec![boxed(b"tfhd", &header)], runs].concat();
        let content = [other(BASE_IS_MOOF), wrapped(b"traf", &ours)].concat();
        let mut fragments = Fragments::new(7, DEFAULTS);
        fragments.read(&content, 1000, &[]);
        assert_eq!(pieces(&mut fragments), expected, "{name}");
        assert!(fragments.is_drained());
    }
}

#[test]
fn decode_times_follow_tfdt() {
    let fragment = |sequence, time: Option<u32>| {
        let mut content = vec![boxed(b"tfhd", &[BASE_IS_MOOF, 7])];
        content.extend(time.map(|time| boxed(b"tfdt", &[0, time])));
        content.push(boxed(b"trun", &[0, 1]));
        [
            boxed(b"mfhd", &[0, sequence]),
            wrapped(
                b"traf",
                &[
                    boxed(b"tfhd", &[BASE_IS_MOOF, 3]),
                    boxed(b"tfdt", &[0, 400]),
                ],
            ),
            wrapped(b"traf", &content),
        ]
        .concat()
    };
    for (name, first, times, expected) in [
        ("one after the other", 1, [None, None, None], [0, 10, 20]),
        ("a gap", 1, [Some(0), Some(70), None], [0, 70, 80]),
        (
            "late",
            1,
            [Some(300), None, Some(310)],
            [300, 310, 310 + 10],
        ),
        (
            "never backwards",
            1,
            [Some(300), Some(0), Some(900)],
            [300, 310, 900],
        ),
        // The other track has 100 units a second and begins at 4 s.
        (
            "out of a broadcast",
            5000,
            [Some(4070), Some(4080), None],
            [70, 80, 90],
        ),
    ] {
        let mut fragments = Fragments::new(7, DEFAULTS);
        let mut found = Vec::new();
        for (index, time) in times.into_iter().enumerate() {
            let content = fragment(first + index as u32, time);
            fragments.read(&content, 0, &[(3, 100), (7, 1000)]);
            found.extend(pieces(&mut fragments).iter().map(|piece| piece.2));
        }
        assert_eq!(found, expected, "{name}");
    }
}
