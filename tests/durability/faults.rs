//! The disk fails: writes and flushes answer EIO. What the disk failed may be
//! lost as a whole, but no more of it is acknowledged than is durable; all others
//! go on as far as the file system does.

use std::sync::Arc;

use crate::fixtures::appliance::{Engine, start};
use crate::fixtures::client::{Client, Length};
use crate::fixtures::states::{Builder, Crash, Policy, SLOT_MAGIC};
use crate::fixtures::story::{Event, Story};
use crate::fixtures::verify::{Claims, verify};
use crate::fixtures::volume::{Kind, Mounted, Recorded};
use crate::support::daemon::Daemon;
use crate::support::http::request;
use crate::support::random::Random;
use crate::support::speech::{self, Script, VOICES};
use crate::support::tus::{CONTENT, FILES, RESUMABLE};
use crate::support::waiting::until;

/// What the disk fails at.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Writes(u64),
    Slots(u64),
    Flushes(u64),
}

const FAULTS: [Fault; 5] = [
    Fault::Slots(1),
    Fault::Writes(1),
    Fault::Writes(20),
    Fault::Flushes(1),
    Fault::Flushes(20),
];

const LENGTH: usize = 200_000;

/// How often a fault is tried until a request fails.
const TRIES: usize = 20;

#[test]
fn a_failing_ext4_disk_causes_no_false_answer() {
    for (number, fault) in FAULTS.into_iter().enumerate() {
        fail(Kind::Ext4, fault, number as u64);
    }
}

#[test]
fn a_failing_xfs_disk_causes_no_false_answer() {
    for (number, fault) in FAULTS.into_iter().enumerate() {
        fail(Kind::Xfs, fault, number as u64);
    }
}

#[test]
fn a_task_is_not_completed_before_its_record_is_durable() {
    let spoken = speech::speak(Script {
        phrases: 2,
        ..Script::short(VOICES[2], 60)
    });
    let mut random = Random::new(1);
    let mut volume = Recorded::new(Kind::Ext4, &mut random);
    let disk = Arc::clone(volume.recording());
    let story = Story::new(Arc::clone(&disk));
    let mut daemon = start(volume.path(), Engine::Real);
    let address = daemon.address();
    let content: Arc<[u8]> = spoken.bytes().into();
    let length = content.len();
    let mut upload = Client::create(
        &story,
        address,
        "a.wav",
        content,
        0,
        Length::First,
        &mut random,
    )
    .expect("an upload");
    disk.fail_writes_of(u64::MAX, b"\"status\": \"completed\"");
    upload.patch(length).expect("an answer to PATCH");
    let task = until("the task ends", || {
        let task = upload.look_at_task().expect("an answer")?;
        ["completed", "failed"]
            .contains(&task["status"].as_str()?)
            .then_some(task)
    });
    println!("{task}");
    disk.fail_writes_of(0, b"");
    daemon.assert_alive();
    daemon.kill9();

    volume.mount();
    let claims = Claims::at(&story, usize::MAX, Default::default());
    let violations = verify(volume.path(), claims, Engine::Mute, &mut random);
    assert!(violations.is_empty(), "{violations:#?}");
}

fn fail(kind: Kind, fault: Fault, seed: u64) {
    println!("--- {kind:?} {fault:?}");
    let mut random = Random::new(seed);
    let mut volume = Recorded::new(kind, &mut random);
    let disk = Arc::clone(volume.recording());
    let story = Story::new(Arc::clone(&disk));
    let first = disk.position();
    let mut daemon = start(volume.path(), Engine::Mute);
    let address = daemon.address();
    let create = |random: &mut Random| {
        let content = random.bytes(LENGTH).into();
        let upload = Client::create(&story, address, "a", content, 0, Length::First, random);
        let mut upload = upload.expect("an upload");
        upload.patch(LENGTH / 3).expect("an answer to PATCH");
        upload
    };
    let uploads: Vec<Client> = (0..3).map(|_| create(&mut random)).collect();
    let mut finished = create(&mut random);
    finished.patch(LENGTH).expect("an answer to PATCH");
    assert!(finished.is_finished());

    // A fault may also hit what no request waits for: then once more.
    let mut refused = 0;
    for _ in 0..TRIES {
        match fault {
            Fault::Writes(count) => disk.fail_writes(count),
            Fault::Slots(count) => disk.fail_writes_of(count, SLOT_MAGIC),
            Fault::Flushes(count) => disk.fail_flushes(count),
        }
        for upload in uploads.iter().cycle().take(12) {
            refused += usize::from(!add(&story, &daemon, &upload.id));
        }
        if refused > 0 {
            break;
        }
    }
    println!("{refused} of 12 requests refused");
    disk.fail_writes(0);
    disk.fail_writes_of(0, SLOT_MAGIC);
    disk.fail_flushes(0);
    assert!(refused > 0, "no fault was noticed");
    daemon.assert_alive();
    look(&story, &daemon, &finished.id);

    // Where the file system still takes anything, so does the daemon.
    if std::fs::write(volume.path().join("probe"), "").is_ok() {
        println!("the file system goes on");
        let mut other = create(&mut random);
        other.patch(LENGTH).expect("an answer to PATCH");
        assert!(other.is_finished());
    }
    let last = disk.position();
    daemon.kill9();

    // The disk works again: the daemon finds what it acknowledged.
    volume.mount();
    let claims = Claims::at(&story, usize::MAX, Default::default());
    let mut violations = verify(volume.path(), claims, Engine::Mute, &mut random);

    // And if the power was cut beside all that.
    let base = volume.unmount();
    let mut entries = disk.take();
    entries.truncate(last);
    let mut points: Vec<usize> = (0..12).map(|_| random.between(first, last)).collect();
    points.push(last);
    points.sort_unstable();
    let mut builder = Builder::new(entries, base.image());
    for point in points {
        let policy = *random.pick(&[Policy::Nothing, Policy::Some, Policy::Everything]);
        let crash = Crash { point, policy };
        let image = base.path("crashed");
        builder
            .build(crash, &image, &mut random)
            .expect("a crash state");
        let mounted = Mounted::image(kind, &image, &base.path("crash"))
            .unwrap_or_else(|error| panic!("{crash:?}: {error}"));
        let claims = Claims::at(&story, point, Default::default());
        let found = verify(mounted.path(), claims, Engine::Mute, &mut random);
        violations.extend(found.into_iter().map(|found| format!("{crash:?}: {found}")));
    }
    assert!(violations.is_empty(), "{kind:?} {fault:?}: {violations:#?}");
}

/// Adds some bytes where the upload stands; false if it was refused.
fn add(story: &Story, daemon: &Daemon, id: &str) -> bool {
    let Some(offset) = look(story, daemon, id) else {
        return false;
    };
    let content = &story.contents()[id];
    let end = content.len().min(offset as usize + 5000);
    story.mark(id, Event::Sending(end as u64));
    let offset_text = offset.to_string();
    let headers = [RESUMABLE, CONTENT, ("Upload-Offset", &*offset_text)];
    let path = format!("{FILES}{id}");
    let body = Some(&content[offset as usize..end]);
    let response = request(daemon.address(), "PATCH", &path, &headers, body).expect("an answer");
    if response.status == 204 {
        let offset = response.number("upload-offset").expect("Upload-Offset");
        story.mark(id, Event::Acknowledged(offset));
        return true;
    }
    println!("PATCH: {} {}", response.status, response.text().trim());
    look(story, daemon, id);
    false
}

/// Asks for the offset and notes the answer. Only what is reported as damaged may
/// be lost, as a whole; a disk that cannot be read says nothing.
fn look(story: &Story, daemon: &Daemon, id: &str) -> Option<u64> {
    let path = format!("{FILES}{id}");
    let response = request(daemon.address(), "HEAD", &path, &[RESUMABLE], None);
    let response = response.expect("an answer to HEAD");
    let offset = response.number("upload-offset");
    match (offset, response.status) {
        (Some(offset), _) => story.mark(id, Event::Acknowledged(offset)),
        (None, 410) => story.mark(id, Event::Condemned),
        (None, 500) => {}
        (None, status) => panic!("HEAD: {status}"),
    }
    offset
}
