//! A daemon is killed between a step and the sync that makes it durable. The
//! next one finds that step in the kernel's memory; it must not
//! acknowledge it before it is on the disk.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::scope;
use std::time::Duration;

use scribed::store::moment::Moment;
use scribed::store::record::Record;
use serde_json::json;

use crate::fixtures::appliance::{Engine, start, state_dir};
use crate::fixtures::client::{Client, Length};
use crate::fixtures::states::{Builder, Crash, Policy, SLOT_MAGIC};
use crate::fixtures::story::{Event, Story};
use crate::fixtures::verify::{Claims, verify};
use crate::fixtures::volume::{Kind, Mounted, Recorded};
use crate::support::http::request;
use crate::support::random::Random;
use crate::support::task;
use crate::support::tus::{FILES, RESUMABLE};
use crate::support::waiting::until;

const LENGTH: usize = 50_000;
const MORE: usize = 10_000;

/// So long that an answer that does not wait for a flush comes before it.
const SLOW_FLUSH: Duration = Duration::from_millis(300);

#[test]
fn what_a_killed_daemon_did_not_sync_is_synced_before_it_is_acknowledged() {
    for kind in [Kind::Ext4, Kind::Xfs] {
        kill_between_step_and_sync(kind);
    }
}

#[test]
fn what_cannot_be_synced_at_a_start_is_not_acknowledged() {
    for kind in [Kind::Ext4, Kind::Xfs] {
        fail_to_sync_at_start(kind);
    }
}

fn fail_to_sync_at_start(kind: Kind) {
    let mut random = Random::new(2);
    let volume = Recorded::new(kind, &mut random);
    let disk = Arc::clone(volume.recording());
    let story = Story::new(Arc::clone(&disk));
    let mut daemon = start(volume.path(), Engine::Mute);
    let id = half_an_upload(&story, daemon.address(), &mut random);
    daemon.kill9();

    let folder = state_dir(volume.path()).join("uploads").join(&id);
    add_data(&story, &folder, &id);
    nix::unistd::syncfs(File::open(&folder).expect("a folder")).expect("a sync");
    advance(&folder.join("offset"));
    story.mark(&id, Event::Sending((LENGTH / 2 + MORE) as u64));

    disk.fail_writes_of(1, SLOT_MAGIC);
    daemon.start_again();
    for _ in 0..5 {
        let path = format!("{FILES}{id}");
        let response = request(daemon.address(), "HEAD", &path, &[RESUMABLE], None);
        let response = response.expect("an answer to HEAD");
        println!(
            "{kind:?} HEAD: {} {:?}",
            response.status,
            response.number("upload-offset")
        );
        match response.number("upload-offset") {
            Some(offset) => story.mark(&id, Event::Acknowledged(offset)),
            None => story.mark(&id, Event::Condemned),
        }
    }
    disk.fail_writes_of(0, SLOT_MAGIC);
    daemon.kill9();
    check_what_was_acknowledged(kind, volume, &story, &mut random);
}

fn half_an_upload(story: &Story, address: SocketAddr, random: &mut Random) -> String {
    let content = random.bytes(LENGTH).into();
    let client = Client::create(story, address, "a", content, 0, Length::First, random);
    let mut client = client.expect("an upload");
    client.patch(LENGTH / 2).expect("an answer to PATCH");
    client.id
}

/// Data of the next commit.
fn add_data(story: &Story, folder: &Path, id: &str) {
    let content = &story.contents()[id];
    let data = File::options().write(true).open(folder.join("data"));
    let more = &content[LENGTH / 2..LENGTH / 2 + MORE];
    data.and_then(|data| data.write_all_at(more, LENGTH as u64 / 2))
        .expect("more data");
}

fn kill_between_step_and_sync(kind: Kind) {
    let mut random = Random::new(1);
    let volume = Recorded::new(kind, &mut random);
    let disk = Arc::clone(volume.recording());
    let story = Story::new(Arc::clone(&disk));
    let mut daemon = start(volume.path(), Engine::Mute);
    let address = daemon.address();
    let mut create = |bytes: usize| {
        let content = random.bytes(LENGTH).into();
        let client = Client::create(&story, address, "a", content, 0, Length::First, &mut random);
        let mut client = client.expect("an upload");
        client.patch(bytes).expect("an answer to PATCH");
        client.id
    };
    let (created, grown, heard) = (create(0), create(LENGTH / 2), create(LENGTH));
    until("the task is with the engine", || {
        let task = task::look(address, &heard);
        (task["status"] == "processing").then_some(())
    });
    daemon.kill9();

    // Steps of a daemon that was killed before their syncs.
    let uploads = state_dir(volume.path()).join("uploads");
    let creating = state_dir(volume.path()).join("creating");
    let step_back = |path: &Path| fs::rename(path, creating.join(&created));
    step_back(&uploads.join(&created)).expect("a rename");
    fs::write(
        uploads.join(&heard).join("transcript.jsonl"),
        "{\"start\":0.0,\"end\":1.0,\"text\":\"stop\"}\n",
    )
    .expect("a transcript");
    add_data(&story, &uploads.join(&grown), &grown);
    complete_task(&uploads.join(&heard));
    nix::unistd::syncfs(File::open(&uploads).expect("a folder")).expect("a sync");

    fs::rename(creating.join(&created), uploads.join(&created)).expect("a rename");
    advance(&uploads.join(&grown).join("offset"));
    let record = uploads.join(&heard);
    fs::rename(record.join("task.json.new"), record.join("task.json")).expect("a rename");
    story.mark(&grown, Event::Sending((LENGTH / 2 + MORE) as u64));

    disk.slow_flushes(SLOW_FLUSH);
    daemon.start_again();
    let address = daemon.address();
    scope(|threads| {
        let story = &story;
        for id in [&created, &grown, &heard] {
            threads.spawn(move || ask(story, address, id));
        }
        threads.spawn(|| {
            let client = Client::again(story, address, &heard, Arc::default());
            client.look_at_task().expect("an answer");
        });
    });
    disk.slow_flushes(Duration::ZERO);
    daemon.kill9();

    check_what_was_acknowledged(kind, volume, &story, &mut random);
}

/// The power is cut right behind each answer.
fn check_what_was_acknowledged(kind: Kind, volume: Recorded, story: &Story, random: &mut Random) {
    let disk = Arc::clone(volume.recording());
    let base = volume.unmount();
    let mut points = story.acknowledged_positions();
    points.dedup();
    let mut builder = Builder::new(disk.take(), base.image());
    let mut violations = Vec::new();
    for point in points {
        let crash = Crash {
            point,
            policy: Policy::Nothing,
        };
        let image = base.path("crashed");
        builder.build(crash, &image, random).expect("a crash state");
        let mounted = Mounted::image(kind, &image, &base.path("crash"))
            .unwrap_or_else(|error| panic!("{crash:?}: {error}"));
        let claims = Claims::at(story, point, Default::default());
        let found = verify(mounted.path(), claims, Engine::Mute, random);
        violations.extend(found.into_iter().map(|found| format!("{crash:?}: {found}")));
    }
    assert!(violations.is_empty(), "{kind:?}: {violations:#?}");
}

/// Asks for the offset of an upload until there is an answer.
fn ask(story: &Story, address: SocketAddr, id: &str) {
    let mut client = Client::again(story, address, id, Arc::default());
    client.head().expect("an answer to HEAD");
}

/// Writes the next slot of a record, and syncs nothing.
fn advance(path: &Path) {
    let old = Record::decode_file(&fs::read(path).expect("a record")).expect("a whole record");
    let new = old.advanced(old.offset + MORE as u64, Moment::now());
    let file = File::options().write(true).open(path).expect("a record");
    file.write_all_at(&new.encode(), new.position())
        .expect("a slot");
}

/// Leaves the record of a completed task beside that of one in the middle.
fn complete_task(folder: &Path) {
    let text = fs::read_to_string(folder.join("task.json")).expect("a record");
    let mut record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    record["status"] = json!("completed");
    record["language"] = json!("en");
    fs::write(folder.join("task.json.new"), record.to_string()).expect("a record");
}
