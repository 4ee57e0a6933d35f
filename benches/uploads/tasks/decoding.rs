//! L: how fast recordings are decoded and cut into windows, without a model:
//! `scribed-transcriber --probe` on long ones.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::Value;

use super::poll::POLL;
use super::spoken::Spoken;
use crate::bench::Bench;
use crate::load::upload::millis;
use crate::options::Options;
use crate::rounds::take_turns;
use crate::sample::{Outcome, Sample, Unit};
use crate::servers::{Kind, Server, process};
use crate::table::Row;

/// What is decoded.
#[derive(Debug, Clone, Copy)]
struct Case {
    title: &'static str,
    minutes: u64,
    /// How ffmpeg makes it of a WAV file: extension and arguments. `None`: that file itself.
    encoder: Option<(&'static str, &'static str)>,
}

const ALL: [Case; 4] = [
    Case {
        title: "L decoding 1 min of wav",
        minutes: 1,
        encoder: None,
    },
    Case {
        title: "L decoding 3 h of wav",
        minutes: 180,
        encoder: None,
    },
    Case {
        title: "L decoding 1 h of mp3",
        minutes: 60,
        encoder: Some(("mp3", "-c:a libmp3lame -b:a 128k -ar 44100 -ac 2")),
    },
    Case {
        title: "L decoding 1 h of wma (ffmpeg)",
        minutes: 60,
        encoder: Some(("wma", "-c:a wmav2 -b:a 128k -ar 44100 -ac 2")),
    },
];

/// Every build through all of it.
pub fn measure(
    bench: &Bench,
    options: &Options,
    servers: &[Server],
    spoken: &Spoken,
) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in ALL {
        let file = case.make(spoken, &bench.peers)?;
        let cases: Vec<_> = servers
            .iter()
            .filter(|server| matches!(server.kind, Kind::Scribed(_)))
            .map(|server| {
                let mut row = Row::titled(case.title.into(), server, Unit::RealTime);
                row.syncs = "-";
                (row, server.clone(), &*file)
            })
            .collect();
        rows.extend(take_turns(bench, options.rounds, cases, decode));
        fs::remove_file(&file)?;
    }
    Ok(rows)
}

impl Case {
    /// The words over and over, in a file of that folder.
    fn make(&self, spoken: &Spoken, folder: &Path) -> io::Result<PathBuf> {
        let wav = folder.join("long.wav");
        spoken.write_minutes(&mut File::create(&wav)?, self.minutes)?;
        let Some((extension, encoder)) = self.encoder else {
            return Ok(wav);
        };
        let encoded = wav.with_extension(extension);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(&wav);
        ffmpeg.args(encoder.split_whitespace()).arg(&encoded);
        let status = ffmpeg.status()?;
        fs::remove_file(wav)?;
        match status.success() {
            true => Ok(encoded),
            false => Err(io::Error::other("ffmpeg could not encode it")),
        }
    }
}

fn decode(_: &Bench, file: &Path, server: &Server) -> Outcome {
    let Kind::Scribed(scribed) = &server.kind else {
        return Err(io::Error::other("not a build of ours"));
    };
    let mut engine = Command::new(scribed.program.with_file_name("scribed-transcriber"));
    engine.args(["--probe", "--max-duration-s", "86400"]);
    engine.stdin(File::open(file)?).stdout(Stdio::piped());
    let cpu_before_s = children_s()?;
    let began = Instant::now();
    let mut running = engine.spawn()?;
    let mut peak_rss_mib = None;
    // Its report fits into the pipe.
    while running.try_wait()?.is_none() {
        peak_rss_mib = process::peak_rss_mib(running.id()).or(peak_rss_mib);
        sleep(POLL / 10);
    }
    let wall_ms = millis(began);
    let cpu_s = children_s()? - cpu_before_s;
    let report: Value = serde_json::from_slice(&running.wait_with_output()?.stdout)?;
    let length_s = report["audio"]["duration"].as_f64();
    let length_s = length_s.ok_or_else(|| io::Error::other("it was not decoded"))?;
    Ok(Sample {
        rate: length_s / cpu_s,
        on_disk_rate: None,
        p50_ms: wall_ms,
        p99_ms: wall_ms,
        cpu_s_per_gb: Some(cpu_s / (file.metadata()?.len() as f64 / 1e9)),
        peak_rss_mib,
        extra: None,
    })
}

/// CPU seconds of children that have ended.
fn children_s() -> io::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(us as f64 / 1e6)
}
