//! The space of a disk is shared by those who upload.

use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::thread::sleep;
use std::time::Duration;

use crate::fixtures::appliance::{Engine, folder, start, state_dir};
use crate::fixtures::volume::{Kind, Small};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Response};
use crate::support::tus::{CONTENT, FILES, RESUMABLE, location_path};
use crate::support::waiting::until;

const DISK_BYTES: u64 = 256 << 20;

/// Clients of two addresses.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);

fn ask(
    daemon: &Daemon,
    client: Ipv4Addr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut connection = Connection::open_from(client, daemon.address()).expect("a connection");
    let headers = [headers, &[RESUMABLE, ("Connection", "close")]].concat();
    let sent = connection.send_head(method, path, &headers, Some(body.len()));
    sent.expect("a request");
    // It may answer before it has read the body.
    let _ = connection.send(body);
    connection.receive(method).expect("an answer")
}

fn create(daemon: &Daemon, client: Ipv4Addr, length: u64) -> Response {
    let headers = [("Upload-Length", &*length.to_string())];
    ask(daemon, client, "POST", FILES, &headers, b"")
}

fn patch(daemon: &Daemon, path: &str, offset: u64, bytes: &[u8]) -> u64 {
    let headers = [CONTENT, ("Upload-Offset", &*offset.to_string())];
    let sent = ask(daemon, ATTACKER, "PATCH", path, &headers, bytes).expect(204, "PATCH");
    sent.number("upload-offset").expect("Upload-Offset")
}

#[test]
fn reserved_space_is_shared() {
    let disk = Small::new(Kind::Ext4, DISK_BYTES);
    let daemon = start(disk.path(), Engine::Mute);
    create(&daemon, ATTACKER, 200 << 20).expect(507, "more than half of it");
    let created = (0..100).take_while(|_| create(&daemon, ATTACKER, 16 << 20).status == 201);
    let count = created.count();
    assert!((4..8).contains(&count), "half of it: {count}");
    let refused = create(&daemon, ATTACKER, 16 << 20).expect(429, "more than a share");
    assert!(refused.number("retry-after").is_some());
    let text = refused.text();
    assert!(
        text.contains(&format!("have reserved {} bytes", count * (16 << 20))),
        "{text}"
    );
    create(&daemon, HONEST, 16 << 20).expect(201, "another's share");
}

#[test]
fn joined_bytes_count_as_often_as_they_are_named() {
    let disk = Small::new(Kind::Ext4, DISK_BYTES);
    let daemon = start(disk.path(), Engine::Mute);
    let part = vec![7; 8 << 20];
    let headers = [
        CONTENT,
        ("Upload-Concat", "partial"),
        ("Upload-Length", &*part.len().to_string()),
    ];
    let part = ask(&daemon, ATTACKER, "POST", FILES, &headers, &part).expect(201, "a part");
    let part = location_path(&part);
    let join = |times| {
        let concat = format!("final;{}", [&*part].repeat(times).join(" "));
        ask(
            &daemon,
            ATTACKER,
            "POST",
            FILES,
            &[("Upload-Concat", &*concat)],
            b"",
        )
    };
    let refused = join(20).expect(507, "more than half of what is free");
    let text = refused.text();
    assert!(
        text.contains(&format!("needs {}", 20 * (8 << 20))),
        "{text}"
    );
    join(5).expect(201, "a share");
}

#[test]
fn space_that_is_not_used_is_given_up() {
    let disk = Small::new(Kind::Ext4, DISK_BYTES);
    // A reservation lives half as long as its upload.
    let daemon = Daemon::start_changed(folder(disk.path(), ""), |command| {
        command.env("SCRIBED_UPLOAD_IDLE_EXPIRY", "12s");
    });
    const LENGTH: u64 = 64 << 20;
    let path = location_path(&create(&daemon, ATTACKER, LENGTH).expect(201, "creation"));
    let uploads = state_dir(disk.path()).join("uploads");
    let data = uploads
        .join(path.rsplit('/').next().expect("an id"))
        .join("data");
    let reserved = || data.metadata().expect("the data").blocks() * 512;
    assert!(reserved() >= LENGTH);
    let mut offset = 0;
    // It is kept alive by a byte now and then; whenever a limit is reached, what is
    // not used is looked for.
    until("it is given up", || {
        sleep(Duration::from_millis(500));
        offset = patch(&daemon, &path, offset, b"x");
        while create(&daemon, HONEST, 16 << 20).status == 201 {}
        (reserved() < LENGTH / 2).then_some(())
    });
    // What it needs is reserved again as it comes.
    let bytes = vec![b'y'; (LENGTH - offset) as usize];
    let lone = offset as usize;
    until("those of the other expire", || {
        offset = patch(
            &daemon,
            &path,
            offset,
            &bytes[offset as usize - lone..][..1],
        );
        create(&daemon, HONEST, DISK_BYTES).expect(507, "too large");
        let others = std::fs::read_dir(&uploads).expect("uploads").count();
        sleep(Duration::from_millis(500));
        (others == 1).then_some(())
    });
    while offset < LENGTH {
        let rest = &bytes[offset as usize - lone..];
        offset = patch(&daemon, &path, offset, &rest[..rest.len().min(8 << 20)]);
    }
    let stored = std::fs::read(&data).expect("the data");
    assert_eq!(stored.len() as u64, LENGTH);
    assert!(stored[lone..] == bytes);
}
