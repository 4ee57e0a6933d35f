//! H and I: short files, all at once and one after the other, each uploaded and
//! waited for.

use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::listener::Listener;
use super::spoken::{Spoken, WORDS};
use crate::bench::Bench;
use crate::load::connection::Connection;
use crate::load::target::Target;
use crate::load::upload::{self, Upload, millis};
use crate::sample::{Outcome, Sample, percentile};
use crate::servers::{Running, process};

const AT_ONCE: usize = 200;
const ONE_BY_ONE: usize = 30;

/// H: as many users as files.
pub fn at_once(_: &Bench, running: &Running, spoken: &Spoken) -> Outcome {
    let target = &running.target;
    let cpu_s = process::cpu_seconds(running.pid());
    let ready = Barrier::new(AT_ONCE + 1);
    let (done, began) = thread::scope(|scope| {
        let users: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                scope.spawn({
                    let ready = &ready;
                    move || {
                        ready.wait();
                        one(target, spoken, number)
                    }
                })
            })
            .collect();
        ready.wait();
        let began = Instant::now();
        let done: io::Result<Vec<Done>> = users
            .into_iter()
            .map(|user| {
                user.join()
                    .map_err(|_| io::Error::other("a user panicked"))?
            })
            .collect();
        (done, began)
    });
    sample(running, done?, began, cpu_s)
}

/// I: the engine waits for each.
pub fn one_by_one(_: &Bench, running: &Running, spoken: &Spoken) -> Outcome {
    one(&running.target, spoken, ONE_BY_ONE)?; // what is done but once
    let cpu_s = process::cpu_seconds(running.pid());
    let began = Instant::now();
    let done: io::Result<Vec<Done>> = (0..ONE_BY_ONE)
        .map(|number| one(&running.target, spoken, number))
        .collect();
    sample(running, done?, began, cpu_s)
}

/// A file that became text.
struct Done {
    id: String,
    /// From its PATCH to the news that it is complete.
    waited_ms: f64,
    at: Instant,
}

fn one(target: &Target, spoken: &Spoken, number: usize) -> io::Result<Done> {
    let mut connection = Connection::to(target.address);
    let size = spoken.file.len() as u64;
    let mut upload = Upload::create(&mut connection, &target.collection, number, size)?;
    let mut listener = Listener::open(target.address, upload.id())?;
    let sent = Instant::now();
    upload.send_bytes(&mut connection, &spoken.file)?;
    listener.until("complete", 100.0)?;
    Ok(Done {
        id: upload.id().to_owned(),
        waited_ms: millis(sent),
        at: Instant::now(),
    })
}

fn sample(running: &Running, done: Vec<Done>, began: Instant, cpu_before_s: f64) -> Outcome {
    let cpu_s = process::cpu_seconds(running.pid()) - cpu_before_s;
    let last = done.iter().map(|done| done.at).max().unwrap_or(began);
    let mut connection = Connection::to(running.target.address);
    for done in &done {
        let path = format!("/task/{}/transcript", done.id);
        let text = upload::get(&mut connection, &path)?;
        if text.trim_ascii() != WORDS.as_bytes() {
            let text = String::from_utf8_lossy(&text);
            return Err(io::Error::other(format!("{text:?} was heard")));
        }
    }
    let mut waited_ms: Vec<f64> = done.iter().map(|done| done.waited_ms).collect();
    Ok(Sample {
        rate: done.len() as f64 / (last - began).as_secs_f64(),
        on_disk_rate: None,
        p50_ms: percentile(&mut waited_ms, 0.50),
        p99_ms: percentile(&mut waited_ms, 0.99),
        cpu_s_per_gb: None,
        peak_rss_mib: process::peak_rss_mib(running.pid()),
        extra: Some(("CPU ms per file", cpu_s * 1e3 / done.len() as f64)),
    })
}
