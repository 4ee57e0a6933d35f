//! Random sequences of requests, legal and illegal ones, cut, stalled and
//! racing ones, with kills in between, each answered as the [model] of
//! the upload allows. A failing sequence prints its seed and its steps; `SEED` runs
//! it again, first of all.

mod model;
mod steps;

use std::collections::BTreeSet;
use std::thread;

use crate::support::daemon::Daemon;
use crate::support::random::seed;
use crate::support::task;

use steps::Sequence;

const DAEMONS: usize = 2;
const SEQUENCES: usize = 40;
const STEPS: usize = 15;

#[test]
fn every_sequence_is_answered_as_the_model_allows() {
    let seed = seed();
    thread::scope(|scope| {
        for lane in 0..DAEMONS {
            scope.spawn(move || {
                let mut daemon = Daemon::start_unready(Daemon::folder(), &[]);
                let mut finished = BTreeSet::new();
                for number in (lane..SEQUENCES * DAEMONS).step_by(DAEMONS) {
                    let mut sequence = Sequence::new(&mut daemon, seed + number as u64);
                    for _ in 0..STEPS {
                        sequence.step();
                    }
                    finished.extend(sequence.end());
                }
                let tasks = task::all_ids(daemon.address());
                assert_eq!(tasks.len(), finished.len(), "a task more or less");
                assert_eq!(BTreeSet::from_iter(tasks), finished);
            });
        }
    });
}
