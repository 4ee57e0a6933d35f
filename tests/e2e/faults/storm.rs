//! The daemon is killed with -9 again and again while several clients upload:
//! no acknowledged offset is ever taken back, every upload is finished with
//! the right content, and becomes exactly one task.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, SystemTime};

use crate::fixtures::raised_on_drop::RaisedOnDrop;
use crate::support::daemon::Daemon;
use crate::support::http::{Cut, Response, request};
use crate::support::random::{Random, letters, seed};
use crate::support::task;
use crate::support::tus::{self, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

const KILLS: usize = 25;
/// Uploads at a time, and clients of each.
const LANES: usize = 3;
const CLIENTS: usize = 2;
const LENGTH_MAX: usize = 3_000_000;
const PIECE_MAX: usize = 200_001;

/// One upload as its clients know it.
struct AckedUpload {
    path: String,
    content: Vec<u8>,
    /// The highest acknowledged offset.
    offset: Mutex<usize>,
}

/// What all clients share.
struct Storm {
    /// The folder of the daemon's uploads.
    uploads: PathBuf,
    /// Where the daemon listens now, or listened last.
    address: Mutex<SocketAddr>,
    calm: AtomicBool,
    /// Ids of finished uploads.
    finished: Mutex<Vec<String>>,
}

#[test]
fn kills_without_end_lose_nothing_that_was_acknowledged() {
    let mut random = Random::new(seed());
    let mut daemon = Daemon::start_unready(Daemon::folder(), &[]);
    let storm = Storm {
        uploads: daemon.state_dir().join("uploads"),
        address: Mutex::new(daemon.address()),
        calm: AtomicBool::new(false),
        finished: Mutex::default(),
    };
    thread::scope(|scope| {
        let _calm = RaisedOnDrop(&storm.calm);
        for _ in 0..LANES {
            let (random, storm) = (random.fork(), &storm);
            scope.spawn(move || storm.lane(random));
        }
        for _ in 0..KILLS {
            sleep(Duration::from_micros(random.between(0, 200_000) as u64));
            daemon.kill9();
            daemon.start_again();
            *storm.address.lock().unwrap() = daemon.address();
        }
    });

    let finished = storm.finished.into_inner().unwrap();
    println!("{} uploads over {KILLS} kills", finished.len());
    for id in &finished {
        assert!(task::failure(daemon.address(), id).contains("text"));
    }
    let expected: BTreeSet<String> = finished.iter().cloned().collect();
    assert_eq!(expected.len(), finished.len(), "an id was given twice");
    let listed = task::all_ids(daemon.address());
    assert_eq!(listed.len(), expected.len(), "a task more or less");
    assert_eq!(BTreeSet::from_iter(listed), expected);
    assert_eq!(daemon.terminate().code(), Some(0));
    assert_nothing_is_left(&daemon);
}

impl Storm {
    /// One upload after the other until the kills are over.
    fn lane(&self, mut random: Random) {
        while !self.calm.load(Ordering::SeqCst) {
            let length = random.between(1, LENGTH_MAX);
            let acked = AckedUpload {
                content: letters(length, &mut random),
                path: self.create(length),
                offset: Mutex::new(0),
            };
            thread::scope(|scope| {
                for _ in 0..CLIENTS {
                    let (random, acked) = (random.fork(), &acked);
                    scope.spawn(move || self.drive(acked, random));
                }
            });
            let id = acked.path.rsplit('/').next().unwrap().to_owned();
            let data = fs::read(self.uploads.join(&id).join("data")).unwrap();
            assert!(data == acked.content, "{id}: other content");
            self.finished.lock().unwrap().push(id);
        }
    }

    /// POST until it is answered; what an answer was lost of expires one day.
    fn create(&self, length: usize) -> String {
        let length = length.to_string();
        let headers = [RESUMABLE, ("Upload-Length", &*length)];
        until("an upload is created", || {
            let created = request(self.now(), "POST", FILES, &headers, Some(b"")).ok()?;
            Some(tus::location_path(&created.expect(201, "creation")))
        })
    }

    /// Sends pieces, some of them cut off, until all of it is acknowledged.
    fn drive(&self, acked: &AckedUpload, mut random: Random) {
        let length = acked.content.len();
        until("the upload is finished", || {
            let mut upload = Upload {
                address: self.now(),
                path: acked.path.clone(),
            };
            let known = *acked.offset.lock().unwrap();
            let head = request(upload.address, "HEAD", &upload.path, &[RESUMABLE], None).ok()?;
            let mut offset = acked.acknowledge(known, &head.expect(200, "HEAD"));
            while offset < length {
                upload.address = self.now();
                let known = *acked.offset.lock().unwrap();
                let piece = random.between(0, PIECE_MAX.min(length - offset));
                let bytes = &acked.content[offset..offset + piece];
                if random.one_in(8) {
                    let sent = &bytes[..random.between(0, piece)];
                    let how = [Cut::Close, Cut::Reset][random.between(0, 1)];
                    upload.patch_in_part(offset, piece, sent).ok()?.cut(how);
                    return None;
                }
                let answer = upload.patch(offset, bytes).ok()?;
                match answer.status {
                    204 => {
                        assert_eq!(acked.acknowledge(known, &answer), offset + piece);
                        offset += piece;
                    }
                    // The other client was faster, or is still at it.
                    409 => offset = acked.acknowledge(known, &answer),
                    408 | 423 => return None,
                    _ => drop(answer.expect(204, "PATCH")),
                }
            }
            Some(())
        });
    }

    fn now(&self) -> SocketAddr {
        *self.address.lock().unwrap()
    }
}

impl AckedUpload {
    /// The offset of an answer, which must not lie before `known`: what was
    /// acknowledged before its request was sent.
    fn acknowledge(&self, known: usize, answer: &Response) -> usize {
        let offset = answer.number("upload-offset").expect("Upload-Offset") as usize;
        assert!(
            (known..=self.content.len()).contains(&offset),
            "{}: {offset} was acknowledged after {known}",
            self.path
        );
        let mut highest = self.offset.lock().unwrap();
        *highest = offset.max(*highest);
        offset
    }
}

/// Whatever kills left behind, a sweep takes; nothing was damaged.
fn assert_nothing_is_left(daemon: &Daemon) {
    let state = daemon.state_dir();
    let names = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(state.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    for folder in names("creating") {
        make_old(&folder);
    }
    println!(
        "left in creating: {}, in removing: {}",
        names("creating").len(),
        names("removing").len()
    );
    let output = daemon.sweep_command().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for folder in ["creating", "removing", "damaged"] {
        assert!(names(folder).is_empty(), "{folder}: {:?}", names(folder));
    }
}

/// A sweep leaves young folders alone: they may be about to be locked.
fn make_old(folder: &Path) {
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let times = FileTimes::new().set_modified(an_hour_ago);
    File::open(folder).unwrap().set_times(times).unwrap();
}
