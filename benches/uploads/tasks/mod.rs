//! H to L: how fast recordings become text, and how soon those who wait know.
//! For builds of scribed alone, with the demo model: what counts is what goes
//! on around the model.

mod beside;
mod crowd;
mod decoding;
mod listener;
mod poll;
mod short;
mod spoken;

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Place, settle};
use crate::load::connection::Connection;
use crate::load::upload;
use crate::options::Options;
use crate::rounds::take_turns;
use crate::sample::{Outcome, Unit};
use crate::servers::{Running, Server};
use crate::table::Row;

use poll::POLL;
use spoken::Spoken;

/// Loading and warming up the model takes no longer.
const READY_MOST: Duration = Duration::from_secs(120);

/// One of these workloads.
type Measure = fn(&Bench, &Running, &Spoken) -> Outcome;

/// Letter, title, what is counted, how.
const ALL: [(char, &str, Unit, Measure); 5] = [
    (
        'H',
        "H 200 short files at once",
        Unit::Tasks,
        short::at_once,
    ),
    (
        'I',
        "I a short file, idle engine",
        Unit::Tasks,
        short::one_by_one,
    ),
    (
        'J',
        "J 1000 WebSockets, one task",
        Unit::Messages,
        crowd::of_one_task,
    ),
    (
        'J',
        "J 1000 WebSockets, a task each",
        Unit::Messages,
        crowd::of_their_own,
    ),
    (
        'K',
        "K uploading beside the model",
        Unit::Megabytes,
        beside::measure,
    ),
];

/// Every build through what was asked for of these.
pub fn measure(bench: &Bench, options: &Options, servers: &[Server]) -> io::Result<Vec<Row>> {
    let chosen = ALL.iter().filter(|(letter, ..)| options.chosen(*letter));
    let mut rows = Vec::new();
    let mut spoken = None;
    for &(_, title, unit, measure) in chosen {
        let transcribing = |server: &Server| {
            server.changed(server.name.clone(), |scribed| scribed.transcribes = true)
        };
        let cases: Vec<_> = servers
            .iter()
            .filter_map(transcribing)
            .map(|server| (Row::titled(title.into(), &server, unit), server, ()))
            .collect();
        if cases.is_empty() {
            continue;
        }
        let spoken: &Spoken = match &mut spoken {
            Some(spoken) => spoken,
            none => none.insert(Spoken::make(&bench.peers)?),
        };
        let one = |bench: &Bench, (), server: &Server| {
            let running = server.start(&bench.peers, &bench.folder(Place::Disk))?;
            await_model(&running)?;
            settle(&running.data())?;
            measure(bench, &running, spoken)
        };
        rows.extend(take_turns(bench, options.rounds, cases, one));
    }
    if options.chosen('L') {
        let spoken = match spoken {
            Some(spoken) => spoken,
            None => Spoken::make(&bench.peers)?,
        };
        rows.extend(decoding::measure(bench, options, servers, &spoken)?);
    }
    Ok(rows)
}

fn await_model(running: &Running) -> io::Result<()> {
    let mut connection = Connection::to(running.target.address);
    let began = Instant::now();
    while let Err(error) = upload::get(&mut connection, "/health/ready") {
        if began.elapsed() > READY_MOST {
            return Err(error);
        }
        sleep(POLL);
    }
    Ok(())
}
