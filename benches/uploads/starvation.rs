//! G: does a small upload still get its turn beside many busy connections?
//! Completions and submissions of the ring wait for the thread to come to rest,
//! so this is what the design has to fear. For builds of scribed alone.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Place, settle};
use crate::load::connection::Connection;
use crate::load::pattern::Pattern;
use crate::load::target::Target;
use crate::load::upload::{self, Upload, millis};
use crate::load::verify;
use crate::rounds::take_turns;
use crate::sample::{Outcome, Sample, Unit, percentile};
use crate::servers::{Server, process};
use crate::table::Row;

/// How long the small upload is watched.
const WATCHED: Duration = Duration::from_secs(3);
/// How long the load runs before that.
const WARM_UP: Duration = Duration::from_millis(500);
/// Bytes per PATCH, of the load as of the upload that is watched.
const CHUNK: u64 = 64 << 10;
/// Bytes of each upload of the load.
const SIZE: u64 = 4 << 20;
/// Bytes of the upload that is watched, at most.
const WATCHED_SIZE: u64 = 512 << 20;
/// Numbers of the load's uploads begin above it.
const WATCHED_NUMBER: usize = 0;

/// What the other connections do.
#[derive(Debug, Clone, Copy)]
enum Busy {
    Not,
    /// So many upload in small chunks.
    Uploading(usize),
    /// So many ask for what touches no file.
    Asking(usize),
}

const LOADS: [Busy; 5] = [
    Busy::Not,
    Busy::Uploading(64),
    Busy::Uploading(256),
    Busy::Asking(64),
    Busy::Asking(256),
];

impl Busy {
    fn title(self) -> String {
        match self {
            Busy::Not => "G beside nothing".into(),
            Busy::Uploading(connections) => format!("G beside {connections} uploading"),
            Busy::Asking(connections) => format!("G beside {connections} asking"),
        }
    }

    fn connections(self) -> usize {
        match self {
            Busy::Not => 0,
            Busy::Uploading(connections) | Busy::Asking(connections) => connections,
        }
    }
}

/// Every build, with one and with two ingest threads, beside every load.
pub fn measure(bench: &Bench, servers: &[Server], rounds: usize) -> Vec<Row> {
    let mut cases = Vec::new();
    for busy in LOADS {
        for server in servers {
            for ingest_threads in [1, 2] {
                let name = format!("{}, {ingest_threads} ingest", server.name);
                let Some(server) = server.changed(name, |scribed| {
                    scribed.ingest_threads = ingest_threads;
                }) else {
                    continue;
                };
                let row = Row::titled(busy.title(), &server, Unit::Requests);
                cases.push((row, server, busy));
            }
        }
    }
    take_turns(bench, rounds, cases, one)
}

fn one(bench: &Bench, busy: Busy, server: &Server) -> Outcome {
    let running = server.start(&bench.peers, &bench.folder(Place::Disk))?;
    settle(&running.data())?;
    let (target, pattern) = (&running.target, &bench.pattern);
    let stop = AtomicBool::new(false);
    let asked = AtomicU64::new(0);
    let mut connection = Connection::to(target.address);
    let mut watched = Upload::create(
        &mut connection,
        &target.collection,
        WATCHED_NUMBER,
        WATCHED_SIZE,
    )?;
    let (latencies, wall) = thread::scope(|scope| {
        let load: Vec<_> = (0..busy.connections())
            .map(|number| {
                let (stop, asked) = (&stop, &asked);
                scope.spawn(move || keep_busy(busy, target, pattern, number, stop, asked))
            })
            .collect();
        thread::sleep(WARM_UP);
        asked.store(0, Ordering::Relaxed);
        let began = Instant::now();
        let latencies = watch(&mut watched, &mut connection, pattern);
        let wall = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        for connection in load {
            connection
                .join()
                .map_err(|_| io::Error::other("a thread of the load panicked"))??;
        }
        io::Result::Ok((latencies?, wall))
    })?;
    let peak_rss_mib = process::peak_rss_mib(running.pid());
    verify::prefix(pattern, &watched, &running.data())?;
    let asked = asked.into_inner() as f64 / wall.as_secs_f64();
    let mut latencies = latencies;
    Ok(Sample {
        rate: latencies.len() as f64 / wall.as_secs_f64(),
        on_disk_rate: None,
        p50_ms: percentile(&mut latencies, 0.50),
        p99_ms: percentile(&mut latencies, 0.99),
        cpu_s_per_gb: None,
        peak_rss_mib,
        extra: (asked > 0.0).then_some(("requests/s of the load", asked)),
    })
}

fn watch(
    upload: &mut Upload,
    connection: &mut Connection,
    pattern: &Pattern,
) -> io::Result<Vec<f64>> {
    let began = Instant::now();
    let mut latencies = Vec::new();
    while began.elapsed() < WATCHED && upload.offset < upload.size {
        let sent = Instant::now();
        upload.send(connection, pattern, CHUNK)?;
        latencies.push(millis(sent));
    }
    Ok(latencies)
}

fn keep_busy(
    busy: Busy,
    target: &Target,
    pattern: &Pattern,
    number: usize,
    stop: &AtomicBool,
    asked: &AtomicU64,
) -> io::Result<()> {
    let mut connection = Connection::to(target.address);
    let mut current = None;
    while !stop.load(Ordering::Relaxed) {
        match busy {
            Busy::Not => return Ok(()),
            Busy::Asking(_) => drop(upload::get(&mut connection, "/health/live")?),
            Busy::Uploading(_) => {
                let mut upload = match current.take() {
                    Some(upload) => upload,
                    None => Upload::create(
                        &mut connection,
                        &target.collection,
                        WATCHED_NUMBER + 1 + number,
                        SIZE,
                    )?,
                };
                upload.send(&mut connection, pattern, CHUNK)?;
                current = (upload.offset < upload.size).then_some(upload);
            }
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
