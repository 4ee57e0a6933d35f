//! Uploads, the space that they reserve, and joins.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::support::{Neighbours, User};
use crate::support::daemon::Daemon;
use crate::support::http::Response;
use crate::support::tus::{RESUMABLE, Upload, location_path};
use crate::support::waiting::until;

const PARTIAL: (&str, &str) = ("Upload-Concat", "partial");

/// Not a recording, so that the engine is soon done with it.
static NOISE: [u8; 100_000] = [b'x'; 100_000];

/// Creates until it is refused; how many there were, and the refusal.
fn until_refused(create: impl Fn() -> Response) -> (usize, Response) {
    for count in 0..2000 {
        let answer = create();
        if answer.status != 201 {
            return (count, answer);
        }
    }
    panic!("nothing was refused");
}

/// Uploads in two parts, and removes the whole again.
fn join_and_remove(user: &User) {
    let parts = [(); 2].map(|()| user.upload(&NOISE, &[PARTIAL]));
    let joined = user.join(&[&parts[0], &parts[1]]).expect(201, "joined");
    let path = location_path(&joined);
    user.ask("DELETE", &path, &[RESUMABLE], b"")
        .expect(204, "DELETE");
}

#[test]
fn unfinished_uploads_are_shared() {
    let neighbours = Neighbours::with("[upload]\nmax_unfinished = 100");
    let (count, refused) = until_refused(|| neighbours.attacker.create(1, &[]));
    assert_eq!(count, 50);
    let refused = refused.expect(429, "more than a share");
    assert!(refused.number("retry-after").is_some());
    assert!(refused.text().contains("you have 50"), "{}", refused.text());
    let attack = |attacker: &User| drop(attacker.create(1, &[]).expect(429, "still"));
    neighbours.contest(4, attack, |honest| honest.upload_and_remove(&NOISE));
}

#[test]
fn parts_count_until_they_are_joined() {
    let neighbours = Neighbours::with("[upload]\nmax_unfinished = 40");
    let attacker = &neighbours.attacker;
    let (count, refused) = until_refused(|| attacker.create(0, &[PARTIAL]));
    assert_eq!(count, 20, "they are complete, and empty");
    refused.expect(429, "more than a share");
    let attack = |attacker: &User| drop(attacker.create(0, &[PARTIAL]).expect(429, "still"));
    neighbours.contest(4, attack, join_and_remove);
}

#[test]
fn parts_count_after_a_restart() {
    let folder = Daemon::folder_with("[upload]\nmax_unfinished = 3");
    let mut daemon = Daemon::start_unready(folder, &[]);
    let create = |daemon: &Daemon| {
        let headers = [RESUMABLE, PARTIAL, ("Upload-Length", "0")];
        crate::support::http::ask(daemon.address(), "POST", "/uploads/files/", &headers, b"")
    };
    for _ in 0..2 {
        create(&daemon).expect(201, "a part");
    }
    create(&daemon).expect(429, "one more");
    daemon.kill9();
    daemon.start_again();
    until("the state directory is read", || {
        (create(&daemon).status == 429).then_some(())
    });
}

#[test]
fn a_limit_that_is_reached_has_what_expired_removed_at_once() {
    let folder = Daemon::folder_with("[upload]\nmax_unfinished = 3\nidle_expiry = '2s'");
    let daemon = Daemon::start_unready(folder, &[]);
    let address = daemon.address();
    let idle = [(); 2].map(|()| Upload::create(address, 10, &[]));
    until("they expire", || {
        (idle[1].head().status == 410).then_some(())
    });
    Upload::create(address, 10, &[]);
    let uploads = std::fs::read_dir(daemon.state_dir().join("uploads")).unwrap();
    assert_eq!(uploads.count(), 1, "the others are gone");
}

#[test]
fn the_daemon_sweeps_while_no_timer_does() {
    let folder = Daemon::folder_with("[upload]\nidle_expiry = '1s'");
    let daemon = Daemon::start_unready(folder, &[]);
    let idle = Upload::create(daemon.address(), 10, &[]);
    let state_dir = daemon.state_dir();
    let last = until("the sweep at the start", || {
        File::options()
            .write(true)
            .open(state_dir.join("last-sweep"))
            .ok()
    });
    let hour = Duration::from_secs(3600);
    last.set_modified(SystemTime::now() - hour).unwrap();
    let folder = state_dir.join("uploads").join(idle.id());
    until("the daemon sweeps", || (!folder.exists()).then_some(()));
}

#[test]
fn joins_of_one_do_not_hold_up_those_of_another() {
    let neighbours = Neighbours::with("");
    let part = neighbours.attacker.upload(&[7; 4 << 20], &[PARTIAL]);
    let again_and_again = vec![&*part; 150];
    let attack = |attacker: &User| {
        let joined = attacker.join(&again_and_again);
        if joined.status == 201 {
            let path = location_path(&joined);
            attacker.ask("DELETE", &path, &[RESUMABLE], b"");
        }
    };
    neighbours.contest(4, attack, join_and_remove);
}
