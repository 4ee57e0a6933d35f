//! A daemon that is broken on purpose is caught: these tests show that the
//! others can fail. The daemon reads from `SABOTAGE` what to break; it must be
//! built with the feature of that name (`src/store/sabotage.rs`).

use crate::fixtures::campaign;
use crate::fixtures::volume::Kind;
use crate::support::random::seed;

/// A broken daemon must be caught within so many states.
const STATES: usize = 400;

#[test]
fn broken_daemons_are_caught() {
    for rule in [
        "no-data-sync",
        "record-before-data",
        "no-directory-sync",
        "torn-slot-accepted",
    ] {
        // SAFETY: these tests run one after the other, so no other thread
        // reads the environment now.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("SABOTAGE", rule);
        }
        let outcome = campaign::run(Kind::Ext4, seed(), STATES, 1);
        println!("{rule}: caught after {} states", outcome.states);
        assert!(!outcome.violations.is_empty(), "{rule} went unnoticed");
    }
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe {
        std::env::remove_var("SABOTAGE");
    }
}
