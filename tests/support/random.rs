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

    /// A number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    /// A number from `least` to `most`, both possible.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        assert!(least <= most);
        least + self.below(most - least + 1)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Puts them in any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// That many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.number().to_le_bytes());
        words.take(count).collect()
    }

    /// Numbers of their own, for another thread.
    pub fn fork(&mut self) -> Random {
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
