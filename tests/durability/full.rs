//! A disk that is full: refused at the creation of an upload, never met in the
//! middle of one; and what is there stays.

use std::fs::{self, File};
use std::io::Write;
use std::net::Ipv4Addr;

use crate::fixtures::appliance::{Engine, start};
use crate::fixtures::verify::text_of;
use crate::fixtures::volume::{Kind, Small};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, delete, get};
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus::{self, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

const DISK_BYTES: u64 = 16 << 20;
const LENGTH: usize = 700_000;

/// Creates one as one of several clients; `None` if the disk has no space for it.
fn create(daemon: &Daemon, client: u8, length: usize) -> Option<Upload> {
    let address = daemon.address();
    let length = length.to_string();
    let headers = [RESUMABLE, ("Upload-Length", &*length)];
    let client = Ipv4Addr::new(127, 0, 0, client);
    let mut connection = Connection::open_from(client, address).expect("a connection");
    let sent = connection.send_head("POST", FILES, &headers, Some(0));
    sent.expect("a request");
    let response = connection.receive("POST").expect("an answer");
    match response.status {
        // No space, or none in the client's share.
        507 | 429 => None,
        _ => Some(Upload {
            address,
            path: tus::location_path(&response.expect(201, "creation")),
        }),
    }
}

fn create_until_full(daemon: &Daemon) -> Vec<Upload> {
    let of = |client| std::iter::from_fn(move || create(daemon, client, LENGTH));
    (1..20).flat_map(of).collect()
}

/// Takes all the space that is left.
fn fill(disk: &Small) {
    let mut filler = File::create(disk.path().join("filler")).expect("a file");
    for piece in [1 << 20, 4096, 1] {
        while filler.write_all(&vec![1; piece]).is_ok() {}
    }
    filler.sync_all().expect("it is written");
}

#[test]
fn a_full_disk_refuses_and_never_breaks() {
    let disk = Small::new(Kind::Ext4, DISK_BYTES);
    let mut daemon = start(disk.path(), Engine::Mute);
    let mut uploads = create_until_full(&daemon);
    println!("{} uploads of {LENGTH} bytes fit", uploads.len());
    assert!(uploads.len() > 6);

    // Another program takes the rest; what was accepted does not need it.
    fill(&disk);
    assert!(create(&daemon, 99, 1).is_none());
    let content = vec![7; LENGTH];
    for upload in &uploads {
        upload.finish(&content, 100_000);
    }
    assert_eq!(task::count(daemon.address()), uploads.len() as u64);

    // A start needs no space.
    daemon.kill9();
    daemon.start_again();
    assert_eq!(task::count(daemon.address()), uploads.len() as u64);
    for upload in &mut uploads {
        upload.address = daemon.address();
        assert_eq!(upload.offset(), LENGTH);
        let data = daemon
            .state_dir()
            .join("uploads")
            .join(upload.id())
            .join("data");
        assert!(fs::read(data).unwrap() == content);
    }
    assert!(create(&daemon, 99, 1).is_none());

    // What is deleted makes room.
    for upload in uploads.drain(..6) {
        delete(daemon.address(), &format!("/task/{}", upload.id())).expect(200, "DELETE");
    }
    let again = create(&daemon, 99, LENGTH).expect("room for another one");
    again.finish(&content, 100_000);
    assert_eq!(task::count(daemon.address()), uploads.len() as u64 + 1);
    daemon.assert_alive();
}

#[test]
fn a_task_waits_for_disk_space() {
    let spoken = speech::speak(Script {
        phrases: 2,
        ..Script::short(VOICES[2], 60)
    });
    let file = spoken.bytes();
    let disk = Small::new(Kind::Ext4, DISK_BYTES);
    let mut daemon = start(disk.path(), Engine::Real);
    daemon.wait_until_ready();
    let upload = Upload::create(daemon.address(), file.len(), &[("filename", "a.wav")]);
    upload
        .patch(0, &file[..file.len() - 1])
        .unwrap()
        .expect(204, "all but the last byte");
    fill(&disk);
    upload.finish(&file, 1000);
    until("the task waits for space", || {
        daemon
            .stderr()
            .contains("is full: the task waits")
            .then_some(())
    });
    let waits = task::look(daemon.address(), upload.id());
    assert!(waits["error"].is_null(), "{waits}");
    assert_eq!(upload.offset(), file.len());
    daemon.assert_alive();

    fs::remove_file(disk.path().join("filler")).unwrap();
    let text = until("the task is completed", || {
        let task = get(daemon.address(), &format!("/task/{}", upload.id())).json();
        (task["status"] == "completed").then(|| text_of(&task["result"]))
    });
    println!("{text:?}");
    assert!(!text.is_empty());
}
