//! How fast uploads are taken in, beside other servers, and how fast recordings
//! become text: `make bench`.
//!
//! Every server is started afresh for every workload of every round; the
//! servers take turns, in another order each round, so that a noisy machine is
//! noisy for all of them. The table shows medians.

mod baselines;
mod bench;
mod load;
mod options;
mod rounds;
mod sample;
mod servers;
mod starvation;
mod table;
mod tasks;
mod workloads;

use std::fs::{self, File};
use std::io;
use std::process::ExitCode;

use clap::Parser;

use bench::{Bench, Place};
use load::pattern::Pattern;
use options::Options;
use rounds::take_turns;
use table::Row;

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match (options.serve, &options.data) {
        (Some(baseline), Some(data)) => {
            baselines::serve(baseline, data).map(|never| match never {})
        }
        _ => run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> io::Result<ExitCode> {
    fs::create_dir_all(&options.peers)?;
    let alone = File::create(options.peers.join("lock"))?;
    alone
        .try_lock()
        .map_err(|_| io::Error::other("another bench runs"))?;
    let bench = Bench {
        peers: options.peers.canonicalize()?,
        pattern: Pattern::new(),
    };
    let result = measure(options, &bench);
    for place in [Place::Disk, Place::Tmpfs] {
        servers::remove(&bench.folder(place))?;
    }
    let rows = result?;
    table::print(&rows, options.rounds);
    // Peers may fail; what is ours must not.
    let failed = rows.iter().any(|row| row.ours && !row.failures.is_empty());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn measure(options: &Options, bench: &Bench) -> io::Result<Vec<Row>> {
    let servers = options.servers()?;
    let mut rows = Vec::new();
    for workload in workloads::ALL
        .iter()
        .filter(|workload| options.chosen(workload.letter))
    {
        let cases: Vec<_> = servers
            .iter()
            .filter(|server| workload.suits(server))
            .map(|server| (Row::of(workload, server), server.clone(), workload))
            .collect();
        rows.extend(take_turns(bench, options.rounds, cases, workloads::measure));
    }
    if options.chosen('G') {
        rows.extend(starvation::measure(bench, &servers, options.rounds));
    }
    rows.extend(tasks::measure(bench, options, &servers)?);
    Ok(rows)
}
