//! K: does an upload get through while the model computes? Uploads with and
//! without a transcription beside them take turns, on one daemon.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::poll::POLL;
use super::spoken::Spoken;
use crate::bench::{Bench, settle};
use crate::load::connection::Connection;
use crate::load::target::Target;
use crate::load::upload::{self, Upload, millis};
use crate::sample::{Outcome, Sample, percentile};
use crate::servers::{Running, process};

const SIZE: u64 = 512 << 20;
const CHUNK: u64 = 50 << 20;
/// Uploads of each kind.
const TURNS: usize = 10;
/// How often the words are said in what is transcribed meanwhile: an hour.
const TIMES: usize = 2000;
/// So long the engine may take to begin, or to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both kinds in turn; the rate is that beside the model.
pub fn measure(bench: &Bench, running: &Running, spoken: &Spoken) -> Outcome {
    let target = &running.target;
    let long = spoken.times(TIMES);
    let mut connection = Connection::to(target.address);
    let (mut rates, mut shares, mut patch_ms) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        settle(&running.data())?;
        let alone_s = send(bench, target, turn, &mut Vec::new())?;
        let number = usize::MAX; // its bytes are not the pattern's
        let size = long.len() as u64;
        let mut busy = Upload::create(&mut connection, &target.collection, number, size)?;
        busy.send_bytes(&mut connection, &long)?;
        await_transcribing(&mut connection, busy.id())?;
        settle(&running.data())?;
        let beside_s = send(bench, target, turn, &mut patch_ms)?;
        if stage(&mut connection, busy.id())? != "transcribing" {
            return Err(io::Error::other("the model was done too early"));
        }
        busy.remove(&mut connection)?;
        await_rest(running.pid());
        rates.push(SIZE as f64 / 1e6 / beside_s);
        shares.push(100.0 * alone_s / beside_s);
    }
    Ok(Sample {
        rate: percentile(&mut rates, 0.50),
        on_disk_rate: None,
        p50_ms: percentile(&mut patch_ms, 0.50),
        p99_ms: percentile(&mut patch_ms, 0.99),
        cpu_s_per_gb: None,
        peak_rss_mib: process::peak_rss_mib(running.pid()),
        extra: Some(("% of the speed without it", percentile(&mut shares, 0.50))),
    })
}

/// Uploads all but the last byte, so that no task comes of it, and takes it
/// away again; how many seconds it took.
fn send(bench: &Bench, target: &Target, number: usize, patch_ms: &mut Vec<f64>) -> io::Result<f64> {
    let mut connection = Connection::to(target.address);
    let mut upload = Upload::create(&mut connection, &target.collection, number, SIZE + 1)?;
    let began = Instant::now();
    while upload.offset < SIZE {
        let chunk = CHUNK.min(SIZE - upload.offset);
        let patch = Instant::now();
        upload.send(&mut connection, &bench.pattern, chunk)?;
        patch_ms.push(millis(patch));
    }
    let took_s = began.elapsed().as_secs_f64();
    upload.remove(&mut connection)?;
    Ok(took_s)
}

fn stage(connection: &mut Connection, id: &str) -> io::Result<String> {
    let progress = upload::get(connection, &format!("/tasks/{id}/progress"))?;
    let progress: Value = serde_json::from_slice(&progress)?;
    Ok(progress["stage"].as_str().unwrap_or_default().to_owned())
}

fn await_transcribing(connection: &mut Connection, id: &str) -> io::Result<()> {
    let began = Instant::now();
    while stage(connection, id)? != "transcribing" {
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other("the model did not begin"));
        }
        sleep(POLL);
    }
    Ok(())
}

/// Until neither daemon nor engine computes anything.
fn await_rest(pid: u32) {
    let began = Instant::now();
    let mut used_s = process::cpu_seconds(pid);
    while began.elapsed() < PATIENCE {
        sleep(20 * POLL);
        let used_before_s = std::mem::replace(&mut used_s, process::cpu_seconds(pid));
        if used_s - used_before_s < 0.01 {
            return;
        }
    }
}
