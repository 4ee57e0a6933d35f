//! Runs rows in parallel and lists the results.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::expected::Expected;

/// Worker threads.
pub const THREADS: usize = 2;

/// Rows, by their printed names, that may differ, with the reason: known
/// weaknesses.
const MAY_DIFFER: [(&str, &str); 14] = [
    (
        "dts 48000 5.1 50 ms",
        "ffmpeg needs more data to detect it in a pipe",
    ),
    (
        "loas 16000 mono 50 ms",
        "ffmpeg needs more data to detect it in a pipe",
    ),
    (
        "truehd 48000 mono 120 ms",
        "a raw stream this short is not detected",
    ),
    (
        "mp4 vorbis 16000 mono 50 ms",
        "only the first of two packets exists",
    ),
    (
        "wavpack 16000 4.0 1000 ms",
        "ffmpeg cannot read more than two channels of it from a pipe",
    ),
    (
        "wavpack 48000 5.1 2500 ms",
        "ffmpeg cannot read more than two channels of it from a pipe",
    ),
    ("joined: caf", "appended files are not searched"),
    ("joined: wma", "ffmpeg ends with the first file"),
    (
        "wav header claims too little: pcm_s16le",
        "the data after it does not belong to the file by its header",
    ),
    (
        "wav header claims too little: pcm_f32le",
        "the data after it does not belong to the file by its header",
    ),
    (
        "cut at 27.7 %: mp2",
        "a burst of treble at the cut; why is not known yet",
    ),
    ("damaged in the middle: wavpack", "ffmpeg checks no sums"),
    ("damaged in the middle: tta", "ffmpeg checks no sums"),
    (
        "damaged in the middle: flac",
        "damage that decodes is not detected",
    ),
];

/// A file and its expected result.
pub struct Row {
    /// Display name; unique.
    pub name: String,
    /// Path of the file.
    pub path: PathBuf,
    /// The expected result.
    pub expected: Expected,
}

impl Row {
    /// A row for the file at `path`.
    pub fn new(name: String, path: PathBuf, mut expected: Expected) -> Self {
        if name.contains("wma") || name.contains("asf") {
            expected = expected.damaged(0.0, 0.9).inexact_in_ffmpeg(
                0.15,
                "ffmpeg gives the first frame of WMA the time of the third",
            );
        }
        Self {
            name,
            path,
            expected,
        }
    }
}

/// Applies `function` to all of `items` on [`THREADS`] threads; results keep the
/// order.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], function: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let result = function(item);
                    results.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Whether the selection of rows excludes this one.
pub fn is_left_out(name: &str) -> bool {
    std::env::var("ORACLE").is_ok_and(|wanted| !name.contains(&wanted))
}

/// Checks every row and prints the differences; `skipped` are names with the
/// reason why there is no file. Panics if any row differs.
pub fn check_rows(group: &str, rows: &[Row], skipped: &[(String, String)]) {
    let verdicts = side_by_side(rows, |row| row.expected.check(&row.path));
    let mut failed = 0;
    for (row, check) in rows.iter().zip(&verdicts) {
        if let Err(complaint) = check {
            if let Some((_, reason)) = MAY_DIFFER.iter().find(|(name, _)| *name == row.name) {
                println!("KNOWN {group}: {}: {complaint} [{reason}]", row.name);
                continue;
            }
            failed += 1;
            let reason = row
                .expected
                .reason
                .map_or_else(String::new, |reason| format!(" [expected: {reason}]"));
            println!("DIFFERS {group}: {}: {complaint}{reason}", row.name);
        }
    }
    for (name, reason) in skipped {
        println!("SKIPPED {group}: {name}: {reason}");
    }
    let named = rows.iter().filter(|row| row.expected.reason.is_some());
    println!(
        "{group}: {} rows, {failed} differ, {} are expected to differ from ffmpeg, {} skipped",
        rows.len(),
        named.count(),
        skipped.len()
    );
    assert_eq!(failed, 0, "{group}: rows differ, see the list above");
}
