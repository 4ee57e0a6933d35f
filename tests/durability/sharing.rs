//! Clients that commit at the same time share the disk's flushes.

use std::sync::{Arc, Barrier};
use std::thread::scope;

use crate::fixtures::appliance::{Engine, start};
use crate::fixtures::client::{Client, Length};
use crate::fixtures::story::Story;
use crate::fixtures::volume::{Kind, Recorded};
use crate::support::random::Random;

/// Commits of every client.
const COMMITS: usize = 25;

const PIECE_BYTES: usize = 10_000;

/// Flushes that the disk saw per commit, with that many clients in step.
fn flushes_per_commit(clients: usize) -> f64 {
    let mut random = Random::new(clients as u64);
    let volume = Recorded::new(Kind::Ext4, &mut random);
    let disk = Arc::clone(volume.recording());
    let story = Story::new(Arc::clone(&disk));
    let mut daemon = start(volume.path(), Engine::Mute);
    let address = daemon.address();
    let mut uploads: Vec<Client> = (0..clients)
        .map(|_| {
            // One byte more, so that none becomes a task.
            let content = random.bytes(COMMITS * PIECE_BYTES + 1).into();
            Client::create(&story, address, "a", content, 0, Length::First, &mut random)
                .expect("an upload")
        })
        .collect();
    let before = disk.flushes();
    let together = Barrier::new(clients);
    scope(|threads| {
        for upload in &mut uploads {
            threads.spawn(|| {
                for _ in 0..COMMITS {
                    together.wait();
                    upload.patch(PIECE_BYTES).expect("an answer to PATCH");
                }
            });
        }
    });
    let flushes = disk.flushes() - before;
    daemon.kill9();
    flushes as f64 / (COMMITS * clients) as f64
}

#[test]
fn commits_at_the_same_time_share_flushes() {
    let alone = flushes_per_commit(1);
    let together = flushes_per_commit(16);
    println!("flushes per commit: {alone:.2} alone, {together:.2} with 16 clients");
    assert!(together < alone / 2.0, "{together} {alone}");
}
