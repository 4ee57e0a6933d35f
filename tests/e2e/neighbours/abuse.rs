//! Mixed abuse for a long time: memory and descriptors stay flat, and every honest
//! upload is completed.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::support::{Neighbours, User};
use crate::fixtures::proc_status::number_of;
use crate::fixtures::raised_on_drop::RaisedOnDrop;
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Cut};
use crate::support::random::{Random, seed};
use crate::support::task;
use crate::support::tus::{FILES, RESUMABLE, location_path};
use crate::support::waiting::until;

/// Clients that do what they may not, and clients that work.
const ABUSERS: usize = 4;

/// Memory that may be had at the end beyond the most of the first third.
const GROWTH_MAX_KIB: u64 = 16 << 10;

/// Settings under which limits are soon reached.
const CONFIGURATION: &str = "[upload]\nmax_size = '64MiB'\nmax_unfinished = 64\nidle_expiry = '20s'\n\
     [transcribe]\nmax_queue = 200\n[http]\nidle_timeout = '5s'\nheader_timeout = '5s'";

#[test]
fn half_a_minute_of_mixed_abuse_harms_no_one() {
    abuse(Duration::from_secs(30));
}

#[test]
#[ignore = "takes as long as it is given; see `make soak`"]
fn soak() {
    let seconds = std::env::var("SECONDS_EACH").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(1200);
    abuse(Duration::from_secs(seconds));
}

fn abuse(lasts: Duration) {
    let neighbours = Neighbours::with(CONFIGURATION);
    let daemon = &neighbours.daemon;
    let mut random = Random::new(seed());
    // Everything has been done once before anything is measured.
    honest_upload(&neighbours.honest, &mut random);
    let at_rest = descriptors(daemon);
    let (is_over, acts, uploads) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let (attacker, honest) = (&neighbours.attacker, &neighbours.honest);
    let samples = thread::scope(|scope| {
        let _over = RaisedOnDrop(&is_over);
        for _ in 0..ABUSERS {
            let mut random = random.fork();
            let (is_over, acts) = (&is_over, &acts);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    act(attacker, &mut random);
                    acts.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut random = random.fork();
        let (over, done) = (&is_over, &uploads);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                honest_upload(honest, &mut random);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        let begun = Instant::now();
        let mut samples = Vec::new();
        while begun.elapsed() < lasts {
            samples.push(resident_kib(daemon));
            sleep(lasts / 60);
        }
        samples
    });
    let third = samples.len() / 3;
    let early = samples[..third].iter().max().expect("samples");
    let late = samples[2 * third..].iter().max().expect("samples");
    println!("{acts:?} acts, {uploads:?} honest uploads, {early} KiB early, {late} KiB late");
    assert!(*late <= early + GROWTH_MAX_KIB, "memory grows: {samples:?}");
    assert!(uploads.into_inner() > 0);
    until("descriptors are as before", || {
        (descriptors(daemon) <= at_rest + 2).then_some(())
    });
    let said = daemon.stderr();
    assert!(!said.contains("panicked"), "{said}");
}

fn resident_kib(daemon: &Daemon) -> u64 {
    let status = format!("/proc/{}/status", daemon.pid());
    number_of(Path::new(&status), "VmRSS:")
}

fn descriptors(daemon: &Daemon) -> usize {
    let folder = format!("/proc/{}/fd", daemon.pid());
    fs::read_dir(folder).expect("its descriptors").count()
}

/// Noise in pieces, which fails as a task: everything up to that works.
fn honest_upload(honest: &User, random: &mut Random) {
    let content = [&b"ID3"[..], &random.bytes(50_000)].concat();
    let created = honest.create(content.len() as u64, &[]);
    let path = location_path(&created.expect(201, "an honest creation"));
    for (number, piece) in content.chunks(20_000).enumerate() {
        let sent = honest.patch(&path, 20_000 * number as u64, piece);
        sent.expect(204, "an honest PATCH");
    }
    let id = path.rsplit('/').next().expect("an id");
    until("an honest upload becomes a task that ends", || {
        let answer = honest.ask("GET", &format!("/task/{id}"), &[], b"");
        let document = answer.expect(200, "an honest GET").json();
        matches!(task::text_of(&document, "status"), "completed" | "failed").then_some(())
    });
    honest
        .ask("DELETE", &format!("/task/{id}"), &[], b"")
        .expect(200, "DELETE of an honest task");
}

/// Something that a careless or malicious client does. Answers do not matter.
fn act(attacker: &User, random: &mut Random) {
    let path_of = |created: crate::support::http::Response| {
        (created.status == 201).then(|| location_path(&created))
    };
    let partial = ("Upload-Concat", "partial");
    match random.below(10) {
        0 => drop(attacker.create(1 + random.below(64 << 20) as u64, &[])),
        1 => drop(attacker.create(0, &[partial])),
        2 => {
            let count = random.between(1, 200_000);
            let bytes = random.bytes(count);
            if let Some(path) = path_of(attacker.create(bytes.len() as u64, &[])) {
                attacker.patch(&path, 0, &bytes);
            }
        }
        3 => {
            if let Some(path) = path_of(attacker.create(1 << 20, &[partial])) {
                attacker.patch(&path, 0, &random.bytes(1 << 20));
                attacker.join(&[&*path; 50]);
            }
        }
        4 => {
            // Half a request, and gone.
            let headers = [RESUMABLE, ("Upload-Length", "100000")];
            let mut connection = attacker.begin("POST", FILES, &headers);
            let _ = connection.send(b"PATCH /uploads/files/ HT");
            connection.cut(*random.pick(&[Cut::Close, Cut::Reset]));
        }
        5 => drop(attacker.ask("GET", "/task/all?q=a&page_size=200", &[], b"")),
        6 => {
            let id = "0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
            let body = format!("{{\"task_id\":\"{id}\"}}");
            drop(attacker.ask("POST", "/api/ws/ticket", &[], body.as_bytes()));
            listen(attacker.begin("GET", &format!("/task/{id}/events"), &[]));
        }
        7 => {
            let form = [("Content-Type", "multipart/form-data; boundary=x")];
            let body = [&b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"[..]];
            let count = random.between(1, 50_000);
            let noise = random.bytes(count);
            let body = [body[0], &noise, b"\r\n--x--\r\n"].concat();
            drop(attacker.ask("POST", "/speech-to-text", &form, &body));
        }
        8 => {
            let target = format!("/{}", "a/../".repeat(random.between(1, 200)));
            drop(attacker.ask("GET", &target, &[("X-Long", &"y".repeat(8000))], b""));
        }
        _ => {
            let listed = attacker.ask("GET", "/task/all?page_size=5", &[], b"");
            for row in listed.json()["tasks"].as_array().into_iter().flatten() {
                let id = row["identifier"].as_str().unwrap_or_default();
                drop(attacker.ask("GET", &format!("/task/{id}"), &[], b""));
                drop(attacker.ask("DELETE", &format!("/task/{id}"), &[], b""));
            }
        }
    }
}

/// Reads a little, and is gone.
fn listen(mut connection: Connection) {
    let mut start = [0; 12];
    let _ = connection.read_exactly(&mut start);
}
