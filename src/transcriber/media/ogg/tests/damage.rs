//! Damaged, truncated and hostile files.

use super::*;

#[test]
fn an_appended_file_of_another_format_is_left_to_the_caller() {
    let content = ogg(OPUS);
    let wav = testing::bytes(&spoken());
    let joined = [content.clone(), wav].concat();
    let output = output(&joined);
    assert_eq!(output.end_bytes, Some(content.len() as u64));
    assert!(output.lost.is_empty() && !output.cut_short);
}

#[test]
fn a_damaged_page_loses_only_its_content() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let whole_output = output(&whole);
        let all = pages(&whole);
        let middle = all.len() / 2;
        let before: usize = all[..middle].iter().map(Vec::len).sum();
        let back = granule(&all[middle]) as f64 / f64::from(whole_output.rate);
        // In its body, its checksum, its capture pattern, its lacing values, its
        // length; and the whole page.
        for damage in [200..201, 22..23, 0..1, 27..29, 26..27, 0..all[middle].len()] {
            let mut content = whole.clone();
            content[before..][damage.clone()].fill(0x55);
            let output = output(&content);
            let name = format!("{arguments:?} {damage:?}");
            assert_eq!(output.lost.len(), 1, "{name}: {:?}", output.lost);
            assert!(
                (output.seconds() - whole_output.seconds()).abs() < 0.001,
                "{name}"
            );
            assert_same(
                output.part(back + 0.1, 1e9),
                whole_output.part(back + 0.1, 1e9),
                output.rate,
                &name,
            );
        }
    }
}

#[test]
fn damage_at_the_end_of_a_link_is_reported() {
    let whole = ogg(OPUS);
    let mut damaged = whole.clone();
    let last = damaged.len() - 10;
    damaged[last] ^= 1;
    let cut = whole[..last].to_vec();
    for (content, lost, changes) in [
        (damaged.clone(), 1, 0),
        ([damaged, whole.clone()].concat(), 1, 1),
        ([cut, whole.clone()].concat(), 1, 1),
    ] {
        let output = output(&content);
        assert_eq!(output.lost.len(), lost, "{:?}", output.lost);
        assert_eq!(output.changes, changes);
        assert!(!output.cut_short);
    }
}

#[test]
fn extreme_granule_positions_are_harmless() {
    let whole = ogg(OPUS);
    let mut all = pages(&whole);
    for (number, page) in all.iter_mut().enumerate().skip(2) {
        let granule = match number % 4 {
            0 => i64::MAX - number as i64,
            1 => 4_700_000_000_000_000,
            2 => i64::MIN + 7,
            _ => granule(page),
        };
        set_granule(page, granule);
    }
    let content = all.concat().repeat(40);
    let mut reader = open(&content).unwrap();
    reader.select(0);
    let mut packets = 0;
    loop {
        match reader.step().unwrap() {
            Step::Packet(packet) => {
                packets += 1;
                assert!(packet.time_s.is_none_or(f64::is_finite));
            }
            Step::End => break,
            _ => {}
        }
    }
    assert!(packets > 4_000, "{packets}");
}

#[test]
fn truncated_files_are_read_to_their_end() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let whole_s = output(&whole).seconds();
        let borders: Vec<usize> = pages(&whole)
            .iter()
            .scan(0, |at, page| {
                *at += page.len();
                Some(*at)
            })
            .collect();
        for part in 0..60 {
            let cut = whole.len() * part / 60 + part;
            let name = format!("{arguments:?} {cut} of {}", whole.len());
            match open(&whole[..cut]) {
                Ok(reader) => {
                    let output = play(reader, 0);
                    let at_border = borders.contains(&cut);
                    assert_eq!(output.cut_short, !at_border, "{name}");
                    assert!(output.lost.is_empty(), "{name}: {:?}", output.lost);
                    let expected_s = whole_s * cut as f64 / whole.len() as f64;
                    assert!(
                        output.rate == 0 || output.seconds() > expected_s - 0.7,
                        "{name}"
                    );
                }
                Err(error) => assert!(cut < borders[1], "{name}: {error}"),
            }
        }
    }
}

#[test]
fn flipped_bytes_neither_panic_nor_hang() {
    let mut seed = 1_u32;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let all = pages(&whole);
        for round in 0..40 {
            // Half of them in pages with a valid checksum.
            let mut content = if round % 2 == 0 {
                let mut all = all.clone();
                for _ in 0..=random(4) {
                    let page = random(all.len());
                    let at = random(all[page].len());
                    all[page][at] ^= 1 << random(8);
                    seal(&mut all[page]);
                }
                all.concat()
            } else {
                whole.clone()
            };
            for _ in 0..round % 5 {
                let at = random(content.len());
                content[at] ^= 1 << random(8);
            }
            let Ok(mut reader) = open(&content) else {
                continue;
            };
            reader.select(0);
            let mut steps = 0;
            while !matches!(reader.step(), Ok(Step::End) | Err(_)) {
                steps += 1;
                assert!(steps < content.len());
            }
        }
    }
}

#[test]
fn false_pages_are_cheap() {
    let whole = ogg(OPUS);
    let all = pages(&whole);
    let middle = all.len() / 2;
    // Each of them claims the largest page.
    let mut false_page = b"OggS\0".to_vec();
    false_page.resize(26, 0);
    false_page.extend([255; 40]);
    let flood = false_page.repeat(8 * 1024 * 1024 / false_page.len());
    let content = [all[..middle].concat(), flood, all[middle..].concat()].concat();
    let begun = std::time::Instant::now();
    let output = output(&content);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let whole = self::output(&whole);
    assert!((output.seconds() - whole.seconds()).abs() < 0.001);
}
