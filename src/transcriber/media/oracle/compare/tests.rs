use super::*;
use crate::testing;

const SECOND: usize = SAMPLE_RATE as usize;

/// Noise with the spectrum and rhythm of speech.
fn sound(duration_s: usize) -> Vec<f32> {
    let mut smooth = 0.0;
    testing::noise(duration_s * SECOND, 0.5)
        .into_iter()
        .enumerate()
        .map(|(index, sample)| {
            smooth += (sample - smooth) * 0.3;
            let time_s = index as f32 / SECOND as f32;
            smooth * (0.6 + 0.4 * (time_s * 20.0).sin())
        })
        .collect()
}

fn with_gap(mut sound: Vec<f32>, start_s: f64, end_s: f64) -> Vec<f32> {
    let at = |time_s: f64| (time_s * SECOND as f64) as usize;
    sound[at(start_s)..at(end_s)].fill(0.0);
    sound
}

fn without(sound: &[f32], start_ms: usize, length_ms: usize) -> Vec<f32> {
    let start = start_ms * SECOND / 1000;
    [&sound[..start], &sound[start + length_ms * SECOND / 1000..]].concat()
}

fn late(sound: &[f32], by_ms: usize) -> Vec<f32> {
    [&vec![0.0; by_ms * SECOND / 1000][..], sound].concat()
}

fn found(reference: &[f32], actual: &[f32]) -> Vec<Difference> {
    differences(reference, actual, Tolerance::STRICT)
}

#[test]
fn equal_signals_do_not_differ() {
    let whole = sound(6);
    assert_eq!(found(&whole, &whole), []);
    for gain in [0.1, 3.0, -1.0] {
        let other: Vec<f32> = whole.iter().map(|sample| sample * gain).collect();
        assert_eq!(found(&whole, &other), [], "gain {gain}");
    }
    let noisy: Vec<f32> = whole
        .iter()
        .zip(testing::noise(whole.len(), 0.01).iter().rev())
        .map(|(sample, noise)| sample + noise)
        .collect();
    assert_eq!(found(&whole, &noisy), []);
    assert_eq!(found(&whole, &late(&whole, 40)), []);
    assert_eq!(found(&whole, &whole[..whole.len() - SECOND / 25]), []);
    // Half a sample late.
    let low = signal::low_pass(&whole);
    let between: Vec<f32> = low
        .windows(2)
        .map(|pair| (pair[0] + pair[1]) / 2.0)
        .collect();
    assert_eq!(found(&low, &between), []);
    let gaps = with_gap(whole, 2.0, 3.5);
    assert_eq!(found(&gaps, &gaps), []);
    assert_eq!(found(&gaps, &late(&gaps, 30)), []);
    let short = &sound(1)[..800];
    assert_eq!(found(short, short), []);
    assert_eq!(found(&[], &[]), []);
    assert_eq!(found(&vec![0.0; SECOND], &vec![0.0; SECOND]), []);
}

#[test]
fn a_shift_is_found_and_measured() {
    let whole = sound(6);
    for by_ms in [80, 300, 7000] {
        let shifted = late(&whole, by_ms);
        let found = found(&whole, &shifted);
        assert!(
            found.iter().any(|difference| matches!(difference,
                Difference::Displaced { by_s, .. } if (by_s * 1e3 - by_ms as f64).abs() < 1.0)),
            "{by_ms} ms: {found:?}"
        );
    }
    let early = without(&whole, 0, 80);
    assert!(
        found(&whole, &early)
            .iter()
            .any(|difference| matches!(difference,
            Difference::Displaced { by_s, .. } if (by_s + 0.08).abs() < 0.001))
    );
}

#[test]
fn dropped_and_duplicated_parts_are_found() {
    let whole = sound(6);
    for length_ms in [60, 200, 1000] {
        let dropped = found(&whole, &without(&whole, 3300, length_ms));
        assert!(
            matches!(dropped[..], [Difference::Length { .. }, ..]),
            "{dropped:?}"
        );
        assert!(
            dropped.iter().all(|difference| match difference {
                Difference::Length { .. } => true,
                Difference::Displaced { at_s, by_s } =>
                    *at_s >= 3.0 && (by_s * 1e3 + length_ms as f64).abs() < 1.0,
                Difference::Replaced { at_s, .. } => *at_s == 3.0 || *at_s >= 4.0,
                _ => false,
            }),
            "{dropped:?}"
        );
        assert!(dropped.len() > 1, "{dropped:?}");
        let at = 3300 * SECOND / 1000;
        let block = length_ms * SECOND / 1000;
        let doubled = [&whole[..at], &whole[at - block..]].concat();
        assert!(found(&whole, &doubled).len() > 1, "{length_ms} ms");
        // The length is right, but one part is duplicated and another
        // missing.
        let mut copied = whole.clone();
        copied.copy_within(at - block..at, at);
        if length_ms >= 200 {
            assert!(
                matches!(
                    found(&whole, &copied)[..],
                    [Difference::Replaced { .. }, ..]
                ),
                "{length_ms} ms"
            );
        }
    }
}

#[test]
fn missing_and_invented_sound_are_found() {
    let whole = sound(6);
    let here = with_gap(whole.clone(), 1.2, 2.2);
    let there = with_gap(whole.clone(), 3.2, 4.2);
    let kinds = |found: Vec<Difference>| {
        let missing = found
            .iter()
            .any(|one| matches!(one, Difference::Missing { .. }));
        let invented = found
            .iter()
            .any(|one| matches!(one, Difference::Invented { .. }));
        (missing, invented)
    };
    assert_eq!(kinds(found(&here, &there)), (true, true));
    assert_eq!(kinds(found(&whole, &there)), (true, false));
    assert_eq!(kinds(found(&here, &whole)), (false, true));
    assert_eq!(kinds(found(&whole, &vec![0.0; whole.len()])), (true, false));
    // The gap exists, but its edges are displaced.
    let longer = with_gap(whole.clone(), 1.2, 2.3);
    assert_eq!(kinds(found(&here, &longer)), (true, false));
    assert_eq!(kinds(found(&longer, &here)), (false, true));
    // Faint is not silent.
    let faint: Vec<f32> = whole.iter().map(|sample| sample * 1e-3).collect();
    assert_eq!(found(&whole, &faint), []);
}

#[test]
fn other_sound_other_levels_and_a_missing_treble_are_found() {
    let whole = sound(6);
    let mut replaced = whole.clone();
    let other: Vec<f32> = sound(9)[8 * SECOND..].to_vec();
    replaced[2 * SECOND..3 * SECOND].copy_from_slice(&other);
    assert!(matches!(
        found(&whole, &replaced)[..],
        [Difference::Replaced { at_s: 2.0, .. }]
    ));
    let mut louder = whole.clone();
    for sample in &mut louder[4 * SECOND..5 * SECOND] {
        *sample *= 2.0;
    }
    assert!(matches!(
        found(&whole, &louder)[..],
        [Difference::Level { at_s: 4.0, by_db }] if (by_db - 6.0).abs() < 0.1
    ));
    let dull = signal::low_pass(&signal::low_pass(&whole));
    assert!(matches!(
        found(&whole, &dull)[..],
        [Difference::Treble { by_db }] if by_db < -3.0
    ));
}

#[test]
fn a_shorter_and_an_empty_recording_are_found() {
    let whole = sound(3);
    for left in [2 * SECOND, 0] {
        assert!(matches!(
            found(&whole, &whole[..left])[..],
            [Difference::Length { .. }]
        ));
    }
    assert!(matches!(
        found(&[], &whole)[..],
        [Difference::Length { .. }]
    ));
}
