//! The power is cut at any moment: what was acknowledged is there, and everything
//! goes on.

use std::time::{Duration, Instant};

use crate::fixtures::campaign;
use crate::fixtures::volume::Kind;
use crate::support::random::seed;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

fn cut_the_power_of(kind: Kind) {
    let outcome = campaign::run(
        kind,
        seed(),
        number("POWERCUT_STATES", 100) as usize,
        campaign::ENOUGH,
    );
    assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
}

#[test]
fn nothing_acknowledged_is_lost_on_ext4() {
    cut_the_power_of(Kind::Ext4);
}

#[test]
fn nothing_acknowledged_is_lost_on_xfs() {
    cut_the_power_of(Kind::Xfs);
}

/// For hours, if asked for: new seeds until `SECONDS_EACH` are over and a
/// thousand states were checked, on each file system.
#[test]
#[ignore = "takes as long as it is given; see `make soak`"]
fn soak() {
    const STATES_MIN: usize = 1000;
    let lasts = Duration::from_secs(number("SECONDS_EACH", 600));
    let mut seed = seed();
    for kind in [Kind::Ext4, Kind::Xfs] {
        let begun = Instant::now();
        let mut states = 0;
        while begun.elapsed() < lasts || states < STATES_MIN {
            let outcome = campaign::run(kind, seed, 200, campaign::ENOUGH);
            assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
            states += outcome.states;
            seed += 1;
        }
        println!("{kind:?}: {states} states in {:.1?}", begun.elapsed());
    }
}
