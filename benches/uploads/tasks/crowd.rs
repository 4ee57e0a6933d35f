//! J: a thousand WebSockets are open; how long does it take until a message
//! reaches all of them, or the one that it concerns?

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::listener::{Listener, is_at};
use super::spoken::Spoken;
use crate::bench::Bench;
use crate::load::connection::Connection;
use crate::load::target::Target;
use crate::load::upload::{Upload, millis};
use crate::sample::{Outcome, Sample, percentile};
use crate::servers::{Running, process};

const SOCKETS: usize = 1000;
/// Steps with a message to all of them.
const STEPS: u64 = 20;
/// Bytes of an upload, and of a step of it: a whole percent.
const SIZE: u64 = 1000;
const STEP: usize = 10;

/// All of them hear of the same upload.
pub fn of_one_task(_: &Bench, running: &Running, _: &Spoken) -> Outcome {
    let mut connection = Connection::to(running.target.address);
    let mut upload = begin(&running.target, &mut connection, 0)?;
    let before_mib = process::rss_mib(running.pid());
    let mut crowd = Crowd::gather(|_| Listener::open(running.target.address, upload.id()))?;
    let each_kib = each_kib(running, before_mib);
    crowd.hear(0.0, Instant::now())?;
    let began = Instant::now();
    let mut latencies_ms = Vec::new();
    for _ in 0..STEPS {
        let sent = Instant::now();
        upload.send_bytes(&mut connection, &[0; STEP])?;
        latencies_ms.extend(crowd.hear(percentage(&upload), sent)?);
    }
    sample(running, began, latencies_ms, each_kib)
}

/// Each of them hears of an upload of its own.
pub fn of_their_own(_: &Bench, running: &Running, _: &Spoken) -> Outcome {
    let target = &running.target;
    let mut connection = Connection::to(target.address);
    let uploads: io::Result<Vec<Upload>> = (0..SOCKETS)
        .map(|number| begin(target, &mut connection, number))
        .collect();
    let mut uploads = uploads?;
    let before_mib = process::rss_mib(running.pid());
    let mut crowd = Crowd::gather(|at| Listener::open(target.address, uploads[at].id()))?;
    let each_kib = each_kib(running, before_mib);
    crowd.hear(0.0, Instant::now())?;
    crowd.wait_when_reading()?;
    let began = Instant::now();
    let mut latencies_ms = Vec::new();
    for (upload, listener) in uploads.iter_mut().zip(&mut crowd.listeners) {
        let sent = Instant::now();
        upload.send_bytes(&mut connection, &[0; STEP])?;
        listener.until("uploading", percentage(upload))?;
        latencies_ms.push(millis(sent));
    }
    sample(running, began, latencies_ms, each_kib)
}

fn begin(target: &Target, connection: &mut Connection, number: usize) -> io::Result<Upload> {
    Upload::create(connection, &target.collection, number, SIZE)
}

fn percentage(upload: &Upload) -> f64 {
    upload.offset as f64 * 100.0 / SIZE as f64
}

fn each_kib(running: &Running, before_mib: Option<f64>) -> f64 {
    let grown_mib = process::rss_mib(running.pid())
        .zip(before_mib)
        .map(|(after, before)| after - before);
    grown_mib.unwrap_or(f64::NAN) * 1024.0 / SOCKETS as f64
}

fn sample(running: &Running, began: Instant, mut latencies_ms: Vec<f64>, each_kib: f64) -> Outcome {
    Ok(Sample {
        rate: latencies_ms.len() as f64 / began.elapsed().as_secs_f64(),
        on_disk_rate: None,
        p50_ms: percentile(&mut latencies_ms, 0.50),
        p99_ms: percentile(&mut latencies_ms, 0.99),
        cpu_s_per_gb: None,
        peak_rss_mib: process::peak_rss_mib(running.pid()),
        extra: Some(("KiB per socket", each_kib)),
    })
}

/// Many who listen, heard by one thread.
struct Crowd {
    listeners: Vec<Listener>,
    epoll: Epoll,
}

impl Crowd {
    fn gather(mut open: impl FnMut(usize) -> io::Result<Listener>) -> io::Result<Crowd> {
        // More than most systems allow a program that does not ask.
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut listeners = Vec::new();
        for at in 0..SOCKETS {
            let listener = open(at)?;
            listener.stream().set_nonblocking(true)?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, at as u64);
            epoll.add(listener.stream().as_fd(), event)?;
            listeners.push(listener);
        }
        Ok(Crowd { listeners, epoll })
    }

    /// Until each has heard that this much is uploaded; how long each waited
    /// for it.
    fn hear(&mut self, percentage: f64, since: Instant) -> io::Result<Vec<f64>> {
        let mut latencies_ms = Vec::new();
        let mut events = [EpollEvent::empty(); 64];
        while latencies_ms.len() < self.listeners.len() {
            let ready = self
                .epoll
                .wait(&mut events, EpollTimeout::from(60_000u16))?;
            if ready == 0 {
                return Err(io::Error::other("a client received nothing for a minute"));
            }
            for event in &events[..ready] {
                while let Some(message) = self.listeners[event.data() as usize].next()? {
                    if is_at(&message, "uploading", percentage) {
                        latencies_ms.push(millis(since));
                    }
                }
            }
        }
        Ok(latencies_ms)
    }

    fn wait_when_reading(&self) -> io::Result<()> {
        self.listeners
            .iter()
            .try_for_each(|listener| listener.stream().set_nonblocking(false))
    }
}
