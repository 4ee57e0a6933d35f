//! Presentation times.

use super::*;

#[test]
fn a_gap_in_the_granule_positions_is_silence() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let whole_output = output(&whole);
        let rate = whole_output.rate;
        let all = pages(&whole);
        let middle = all.len() / 2;
        // Pages that a recorder omitted (sequence numbers continue) and pages
        // that were lost.
        for numbers_run_on in [true, false] {
            let mut content = all[..middle].concat();
            let lost = 5;
            for page in &all[middle + lost..] {
                let mut page = page.clone();
                if numbers_run_on {
                    let number = u32::from_le_bytes(page[18..22].try_into().unwrap());
                    page[18..22].copy_from_slice(&(number - lost as u32).to_le_bytes());
                }
                seal(&mut page);
                content.extend(page);
            }
            let name = format!("{arguments:?} {numbers_run_on}");
            let output = output(&content);
            assert_eq!(output.lost.is_empty(), numbers_run_on, "{name}: {output:?}");
            let skip = granule(&all[middle - 1]) as f64 / f64::from(rate);
            let back = granule(&all[middle + lost - 1]) as f64 / f64::from(rate);
            let whole_s = whole_output.seconds();
            assert!((output.seconds() - whole_s).abs() < 0.001, "{name}");
            assert_same(
                output.part(back + 0.1, whole_s),
                whole_output.part(back + 0.1, whole_s),
                rate,
                &name,
            );
            assert_same(
                output.part(0.0, skip),
                whole_output.part(0.0, skip),
                rate,
                &name,
            );
            let silent = output.part(skip + 0.05, back - 0.1);
            assert!(silent.iter().all(|sample| *sample == 0.0), "{name}");
        }
    }
}

#[test]
fn a_stream_cut_out_of_a_broadcast_begins_at_0() {
    for (arguments, headers) in [(OPUS, 2), (VORBIS, 2), (FLAC, 2)] {
        let whole = ogg(arguments);
        let whole_output = output(&whole);
        let mut all = pages(&whole);
        for page in &mut all[headers..] {
            let granule = granule(page);
            set_granule(page, granule + 1_000_000_000);
        }
        let name = format!("{arguments:?}");
        let later = output(&all.concat());
        assert!(later.lost.is_empty(), "{name}: {:?}", later.lost);
        assert_same(&later.samples, &whole_output.samples, later.rate, &name);
        // Joined later: headers, then pages from the middle, none marked last.
        let tapped = [
            all[..headers].concat(),
            all[headers + 9..all.len() - 2].concat(),
        ]
        .concat();
        let tapped = output(&tapped);
        assert!(tapped.lost.is_empty(), "{name}: {:?}", tapped.lost);
        assert!(!tapped.cut_short, "{name}");
        let from_s = (granule(&all[headers + 8]) - 1_000_000_000) as f64 / f64::from(later.rate);
        assert!(tapped.seconds() > 1.0, "{name}");
        // A Vorbis decoder returns nothing for its first packet: up to a block
        // later.
        let later_s = if arguments == VORBIS { 0.047 } else { 0.0 };
        let same = (0..=47).map(|ms| f64::from(ms) / 1_000.0).any(|shift_s| {
            shift_s <= later_s && {
                let from_s = from_s + 0.1 + shift_s;
                let expected = whole_output.part(from_s, from_s + 0.5);
                aligned(tapped.part(0.1, 0.6), expected, later.rate / 1_000).0 > 0.97
            }
        });
        assert!(same, "{name}");
    }
}

#[test]
fn concatenated_files_are_decoded_in_sequence() {
    let vorbis: &[&str] = &["-c:a", "libvorbis", "-ac", "2", "-ar", "48000"];
    for (first, second) in [(OPUS, vorbis), (vorbis, OPUS), (OPUS, OPUS), (FLAC, FLAC)] {
        let (first, second) = (ogg(first), ogg(second));
        let (one, two) = (output(&first), output(&second));
        for padding in [0, 100] {
            let joined = [first.clone(), vec![0; padding], second.clone()].concat();
            let both = output(&joined);
            assert_eq!(both.changes, 1);
            assert!(both.lost.is_empty() && !both.cut_short, "{:?}", both.lost);
            assert_eq!(both.end_bytes, None);
            let seconds = one.seconds() + two.seconds();
            assert!((both.seconds() - seconds).abs() < 0.002);
            assert_same(
                both.part(0.0, one.seconds()),
                &one.samples,
                one.rate,
                "first",
            );
            assert_same(
                both.part(one.seconds(), 1e9),
                &two.samples,
                one.rate,
                "second",
            );
        }
        let joined = [first, second].concat();
        assert_eq!(open(&joined).unwrap().tracks()[0].duration_s, None);
    }
}

#[test]
fn a_file_joined_with_itself_has_the_total_duration() {
    // The serial numbers agree, so the last page alone would give the duration of
    // one part.
    let short = ogg(OPUS);
    // Longer than the part that is examined for the duration.
    let long = ogg(&["-c:a", "flac", "-ar", "96000", "-sample_fmt", "s32"]);
    assert!(long.len() > 300_000, "{}", long.len());
    for (one, times) in [(&short, 2), (&short, 30), (&long, 2)] {
        let one_s = output(one).seconds();
        let claimed_s = open(one).unwrap().tracks()[0].duration_s.unwrap();
        assert!((claimed_s - one_s).abs() < 0.001, "{claimed_s}");
        let content = one.repeat(times);
        assert_eq!(open(&content).unwrap().tracks()[0].duration_s, None);
        let output = output(&content);
        assert!(
            (output.seconds() - one_s * times as f64).abs() < 0.01,
            "{times}"
        );
        assert_eq!(output.changes, times - 1);
    }
}

#[test]
fn audio_later_than_video_keeps_its_time() {
    for (video, offset_s) in [("libtheora", 6.0), ("libtheora", 0.0), ("libvpx", 3.0)] {
        for audio in ["libvorbis", "libopus"] {
            let offset = offset_s.to_string();
            let film = [
                FILM,
                &["-itsoffset", &offset, "-i", "SPEECH", "-c:v", video],
                &["-c:a", audio, "-b:v", "50k"],
            ];
            let content = made(&film.concat());
            let reader = open(&content).unwrap();
            assert_eq!(reader.others(), "1 video track");
            assert_eq!(reader.tracks().len(), 1);
            let whole = output(&ogg(&["-c:a", audio]));
            let late = play(reader, 0);
            let name = format!("{video} {audio} {offset}");
            let claimed_s = open(&content).unwrap().tracks()[0].duration_s.unwrap();
            assert!(
                (claimed_s - late.seconds()).abs() < 0.002,
                "{name}: {claimed_s}"
            );
            let begin = late.samples.iter().position(|sample| sample.abs() > 0.02);
            let alone = whole.samples.iter().position(|sample| sample.abs() > 0.02);
            let shift_s = (begin.unwrap() as f64 - alone.unwrap() as f64) / f64::from(late.rate);
            assert!((shift_s - offset_s).abs() < 0.05, "{name}: {shift_s}");
        }
    }
}

#[test]
fn speex_packets_have_times() {
    let content = ogg(&["-c:a", "libspeex", "-ar", "16000"]);
    let expected_s = ffmpeg(&content, 16_000).len() as f64 / 16_000.0;
    let mut reader = open(&content).unwrap();
    reader.select(0);
    let (mut frames, mut last_s) = (0, 0.0);
    loop {
        match reader.step().unwrap() {
            Step::Packet(packet) => {
                last_s = packet.time_s.unwrap_or(last_s);
                frames += 320 - packet.trim_start_frames - packet.trim_end_frames;
            }
            Step::End => break,
            _ => {}
        }
    }
    let output_s = frames as f64 / 16_000.0;
    assert!(
        (output_s - expected_s).abs() < 0.05,
        "{output_s} s of {expected_s}"
    );
    assert!(last_s > expected_s - 1.1 && last_s < expected_s);
}

#[test]
fn exactly_the_pre_skip_is_trimmed() {
    let whole = ogg(&["-c:a", "libopus", "-page_duration", "20000"]);
    let mut all = pages(&whole);
    let total = granule(all.last().unwrap());
    for pre_skip in [0_u16, 312, 960, 961, 3_840, 40_000] {
        let at = 28 + 10;
        all[0][at..at + 2].copy_from_slice(&pre_skip.to_le_bytes());
        seal(&mut all[0]);
        let mut reader = open(&all.concat()).unwrap();
        reader.select(0);
        let (mut trimmed, mut first_s, mut packets) = (0, None, 0);
        while let step = reader.step().unwrap()
            && !matches!(step, Step::End)
        {
            if let Step::Packet(packet) = step {
                trimmed += packet.trim_start_frames;
                packets += 1;
                if first_s.is_none() && packet.trim_start_frames < 960 {
                    first_s = packet.time_s;
                }
            }
        }
        assert_eq!(trimmed, u64::from(pre_skip));
        assert!(packets > 50);
        assert!(first_s.unwrap().abs() < 1e-9, "{pre_skip}: {first_s:?}");
        let output = output(&all.concat());
        assert_eq!(output.samples.len() as i64, total - i64::from(pre_skip));
    }
}

#[test]
fn vorbis_start_is_trimmed_by_its_first_page() {
    let whole = ogg(VORBIS);
    let whole_output = output(&whole);
    let mut all = pages(&whole);
    let cut = 500;
    for page in &mut all[2..] {
        let granule = granule(page);
        set_granule(page, granule - cut);
    }
    let trimmed = output(&all.concat());
    let expected = &whole_output.samples[cut as usize..];
    assert_eq!(trimmed.samples.len(), expected.len());
    assert!(correlation(&trimmed.samples, expected) > 0.999);
}

#[test]
fn pages_without_granule_position_follow_the_ones_before() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let mut all = pages(&whole);
        let count = all.len();
        for page in &mut all[5..count - 1] {
            set_granule(page, -1);
        }
        let output = output(&all.concat());
        let expected = self::output(&whole);
        assert_same(
            &output.samples,
            &expected.samples,
            output.rate,
            &format!("{arguments:?}"),
        );
    }
}
