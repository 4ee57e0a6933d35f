//! Rounds, in which the servers take turns.

use crate::bench::Bench;
use crate::sample::Outcome;
use crate::servers::Server;
use crate::table::Row;

/// Measures every case in every round, in another order each.
pub fn take_turns<C: Copy>(
    bench: &Bench,
    rounds: usize,
    mut cases: Vec<(Row, Server, C)>,
    measure: impl Fn(&Bench, C, &Server) -> Outcome,
) -> Vec<Row> {
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let at = (turn + round) % cases.len();
            let (row, server, case) = &mut cases[at];
            row.missing = server.missing(&bench.peers);
            if row.missing.is_none() && !row.is_given_up() {
                row.add(round, measure(bench, *case, server));
            }
        }
    }
    cases.into_iter().map(|(row, ..)| row).collect()
}
