//! The load tool: many uploads from many connections, one thread each, nothing
//! but blocking sockets, so that it stays cheaper than what it measures.

pub mod connection;
pub mod pattern;
pub mod target;
pub mod upload;
pub mod verify;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use connection::Connection;
use pattern::Pattern;
use target::Target;
use upload::{Measured, Upload, millis};

/// How uploads travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Chunk after chunk.
    Whole,
    /// Every chunk is broken half-way and resumed.
    Broken,
    /// Created but left empty; then asked for that many times each.
    Asked(usize),
}

/// What is uploaded.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Number of uploads.
    pub uploads: usize,
    /// Bytes of each.
    pub size: u64,
    /// Bytes per PATCH.
    pub chunk: u64,
    /// Connections at once, each with one upload at a time.
    pub connections: usize,
    /// How they travel.
    pub manner: Manner,
}

/// Runs the load to its end; the first failure of any connection ends it.
pub fn run(target: &Target, pattern: &Pattern, load: Load) -> io::Result<Measured> {
    let next = AtomicUsize::new(0);
    let ready = Barrier::new(load.connections + 1);
    let total = Mutex::new(Measured::default());
    let (began, result) = thread::scope(|scope| {
        let connections: Vec<_> = (0..load.connections)
            .map(|_| {
                scope.spawn(|| {
                    let mut measured = Measured::default();
                    let mut connection = Connection::to(target.address);
                    ready.wait();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= load.uploads {
                            break;
                        }
                        let upload = one(
                            target,
                            pattern,
                            load,
                            number,
                            &mut connection,
                            &mut measured,
                        )
                        .inspect_err(|_| next.store(load.uploads, Ordering::Relaxed))
                        .map_err(|error| {
                            io::Error::new(error.kind(), format!("upload {number}: {error}"))
                        })?;
                        measured.uploads.push(upload);
                    }
                    total
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .add(measured);
                    Ok(())
                })
            })
            .collect();
        ready.wait();
        let began = Instant::now();
        let results = connections
            .into_iter()
            .map(|connection| match connection.join() {
                Ok(result) => result,
                Err(_) => Err(io::Error::other("a thread of the load panicked")),
            });
        (began, results.fold(Ok(()), io::Result::and))
    });
    let wall = began.elapsed();
    result?;
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Measured { wall, ..total })
}

fn one(
    target: &Target,
    pattern: &Pattern,
    load: Load,
    number: usize,
    connection: &mut Connection,
    measured: &mut Measured,
) -> io::Result<Upload> {
    let mut upload = Upload::create(connection, &target.collection, number, load.size)?;
    if let Manner::Asked(times) = load.manner {
        for _ in 0..times {
            let began = Instant::now();
            let offset = upload.ask(connection)?;
            measured.head_ms.push(millis(began));
            if offset != 0 {
                return Err(io::Error::other(format!(
                    "HEAD says {offset}, nothing was sent"
                )));
            }
        }
        return Ok(upload);
    }
    while upload.offset < load.size {
        if load.manner == Manner::Broken {
            upload.send_broken(connection, pattern, load.chunk, measured)?;
        } else {
            let began = Instant::now();
            upload.send(connection, pattern, load.chunk)?;
            measured.patch_ms.push(millis(began));
        }
    }
    Ok(upload)
}
