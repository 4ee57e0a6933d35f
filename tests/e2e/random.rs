//! Chance that can be repeated: every test that uses it prints its seed, and
//! the environment variable `SEED` sets it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Sebastiano Vigna's splitmix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `most`, both possible.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        assert!(least <= most);
        least + (self.number() % (most - least + 1) as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.between(1, times) == 1
    }

    /// Another source of chance that depends on this one.
    pub fn branch(&mut self) -> Random {
        Random(self.number())
    }
}

/// `SEED`, or a new one; printed either way.
pub fn seed() -> u64 {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.expect("after 1970").as_nanos() as u64
        }
    };
    println!("SEED={seed}");
    seed
}

/// Letters, so that the daemon sees a text file and its task fails at once.
pub fn letters(length: usize, random: &mut Random) -> Vec<u8> {
    let letter = |_| b'a' + (random.number() % 26) as u8;
    (0..length).map(letter).collect()
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    // The first numbers of the reference implementation for seed 0.
    let mut random = Random::new(0);
    assert_eq!(random.number(), 0xe220_a839_7b1d_cdaf);
    assert_eq!(random.number(), 0x6e78_9e6a_a1b9_65f4);
    let numbers: Vec<usize> = (0..100).map(|_| random.between(3, 5)).collect();
    assert!([3, 4, 5].iter().all(|number| numbers.contains(number)));
    assert!(numbers.iter().all(|number| (3..=5).contains(number)));
}
