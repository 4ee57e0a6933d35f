//! Files of every format that ffmpeg can write, see [`super::families`].

use std::path::Path;

use super::expected::Expected;
use super::families::{FAMILIES, Family, NO_ENCODER};
use super::kit::{self, Kit, LENGTHS_MS, LONG_MS};
use super::reference::Times;
use super::report::{self, Row};

/// Outputs of one ffmpeg process.
const BATCH: usize = 16;

/// A file to be created.
struct Recipe {
    name: String,
    file_name: String,
    length_ms: u32,
    rate: u32,
    arguments: String,
}

impl Recipe {
    fn new(family: &Family, rate: u32, layout: &str, length_ms: u32) -> Self {
        let name = format!("{} {rate} {layout} {length_ms} ms", family.name);
        let file_name = format!("{}.{}", name.replace([' ', '.'], "-"), family.extension);
        Self {
            arguments: format!(
                "-af aresample={rate},{} -ar {rate} {} {file_name}",
                pan(layout),
                family.arguments
            ),
            file_name,
            length_ms,
            rate,
            name,
        }
    }
}

/// The same speech in all channels at different levels, except for LFE.
fn pan(layout: &str) -> String {
    let channels = match layout {
        "mono" => return "pan=mono|c0=c0".to_owned(),
        "stereo" => "0.8 0.5",
        "2.1" => "0.8 0.5 0",
        "4.0" => "0.7 0.4 0.6 0.3",
        "quad" => "0.7 0.6 0.4 0.3",
        "5.1" => "0.5 0.4 0.7 0 0.3 0.2",
        "7.1" => "0.5 0.4 0.7 0 0.3 0.2 0.25 0.15",
        other => panic!("no layout {other}"),
    };
    let gains: Vec<String> = channels
        .split(' ')
        .enumerate()
        .map(|(channel, gain)| format!("c{channel}={gain}*c0"))
        .collect();
    format!("pan={layout}|{}", gains.join("|"))
}

fn recipes() -> Vec<Recipe> {
    let mut recipes = Vec::new();
    let mut number = 0;
    for (family_number, family) in FAMILIES.iter().enumerate() {
        let rates = family.rates.iter().map(|rate| (*rate, family.layouts[0]));
        let layouts = family.layouts[1..]
            .iter()
            .enumerate()
            .map(|(index, layout)| {
                let rate = family.rates[(index + 1) % family.rates.len()];
                (rate, *layout)
            });
        for (index, (rate, layout)) in rates.chain(layouts).enumerate() {
            // Most have a medium length; each family has a very short one, and
            // some have a long one.
            let length_ms = match index {
                0 if family_number % 9 == 0 => LONG_MS,
                1 => LENGTHS_MS[family_number % 3],
                _ => {
                    number += 1;
                    LENGTHS_MS[3 + number % 5]
                }
            };
            recipes.push(Recipe::new(family, rate, layout, length_ms));
        }
    }
    recipes.retain(|recipe| !report::is_left_out(&recipe.name));
    recipes
}

/// Creates the files of `recipes`, which have the same length; returns the
/// errors.
fn make(kit: &Kit, recipes: &[&Recipe]) -> Vec<Result<(), String>> {
    let Some(first) = recipes.first() else {
        return Vec::new();
    };
    let input = format!("-i {}", kit.speech(first.length_ms).display());
    let outputs: Vec<&str> = recipes
        .iter()
        .map(|recipe| recipe.arguments.as_str())
        .collect();
    let made = kit.ffmpeg(&format!("{input} {}", outputs.join(" ")));
    let made = match made {
        Err(error) if recipes.len() == 1 => vec![Err(error)],
        // One failure aborts the whole process.
        Err(_) => {
            let (left, right) = recipes.split_at(recipes.len() / 2);
            let mut made = make(kit, left);
            made.extend(make(kit, right));
            return made;
        }
        Ok(()) => vec![Ok(()); recipes.len()],
    };
    recipes
        .iter()
        .zip(made)
        .map(|(recipe, made)| match made {
            Ok(()) if !kit::has_content(Path::new(&kit.path(&recipe.file_name))) => {
                Err("nothing was written".to_owned())
            }
            made => made,
        })
        .collect()
}

#[test]
fn every_container_codec_rate_and_layout_matches_ffmpeg() {
    let kit = Kit::new();
    let mut recipes = recipes();
    recipes.sort_by_key(|recipe| recipe.length_ms);
    let batches: Vec<Vec<&Recipe>> = recipes
        .chunk_by(|one, other| one.length_ms == other.length_ms)
        .flat_map(|same| same.chunks(BATCH))
        .map(|batch| batch.iter().collect())
        .collect();
    let made = report::side_by_side(&batches, |batch| make(&kit, batch));
    let mut rows = Vec::new();
    let mut skipped = Vec::new();
    for (recipe, made) in batches.iter().flatten().zip(made.into_iter().flatten()) {
        match made {
            Ok(()) => rows.push(Row::new(
                recipe.name.clone(),
                kit.path(&recipe.file_name),
                expected(recipe),
            )),
            Err(reason) => skipped.push((recipe.name.clone(), reason)),
        }
    }
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    for codec in NO_ENCODER {
        println!("NO ENCODER here: {codec}");
    }
    report::check_rows("matrix", &rows, &skipped);
}

/// Expectations that differ from ffmpeg's output.
fn expected(recipe: &Recipe) -> Expected {
    let name = recipe.name.as_str();
    let begins = |names: &[&str]| names.iter().any(|start| name.starts_with(start));
    if begins(&["ogg vorbis 8000 mono 300 ms"]) {
        return Expected::like_ffmpeg()
            .within(0.1)
            .because("ffmpeg does not trim the end of a file of one page");
    }
    if begins(&[
        "mp2 twolame 16000 stereo 50 ms",
        "ogg speex 4 frames 8000 mono 50 ms",
    ]) {
        return Expected::anything().because("ffmpeg cannot read a file that is so short");
    }
    if begins(&["wav aac", "rm real_144", "ra real_144"]) {
        return Expected::anything().because("ffmpeg cannot read what it writes");
    }
    if begins(&["caf flac"]) {
        return Expected::track(0, Times::Ignored)
            .because("ffmpeg writes packets of 4608 samples as of 4410");
    }
    if begins(&["sbc"]) {
        return Expected::like_ffmpeg()
            .or(Expected::refused())
            .because("raw SBC streams do not occur as recordings");
    }
    if begins(&["ogg speex"]) {
        return Expected::like_ffmpeg()
            .with_seams()
            .because("two decoders of Speex do not agree in all bits");
    }
    if begins(&["m4a", "mp4", "mov", "3g", "f4v", "ismv"]) && recipe.rate <= 16_000 {
        // An AAC frame and a little more.
        return Expected::like_ffmpeg().inexact_in_ffmpeg(
            1100.0 / f64::from(recipe.rate),
            "ffmpeg does not trim the first or the last frame where the edit list does",
        );
    }
    Expected::like_ffmpeg()
}
