//! Tickets, listeners, searches, and places in the queue.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::support::{Neighbours, User};
use crate::support::daemon::Daemon;
use crate::support::http::Connection;
use crate::support::tus::{FILES, RESUMABLE, location_path};

/// A body for a ticket, of an upload of this user's.
fn ticket_body(user: &User) -> String {
    let path = location_path(&user.create(10, &[]).expect(201, "creation"));
    let id = path.rsplit('/').next().unwrap();
    format!("{{\"task_id\":\"{id}\"}}")
}

#[test]
fn tickets_are_shared() {
    let neighbours = Neighbours::with("");
    let ask = |user: &User, body: &str| user.ask("POST", "/api/ws/ticket", &[], body.as_bytes());
    let [attacked, honest] = [&neighbours.attacker, &neighbours.honest].map(ticket_body);
    let mut count = 0;
    let refused = loop {
        let answer = ask(&neighbours.attacker, &attacked);
        match answer.status {
            201 => count += 1,
            _ => break answer,
        }
    };
    assert_eq!(count, 2048);
    let refused = refused.expect(429, "more than a share");
    assert!(refused.number("retry-after").is_some());
    assert!(refused.text().contains("you have 2048 unused tickets"));
    neighbours.contest(
        4,
        |attacker| drop(ask(attacker, &attacked)),
        |user| drop(ask(user, &honest).expect(201, "a ticket")),
    );
}

#[test]
fn listeners_are_shared_by_owner_from_wherever_they_come() {
    let neighbours = Neighbours::with("[http]\nmax_connections = 64");
    let attacker = &neighbours.attacker;
    let path = location_path(&attacker.create(10, &[]).expect(201, "creation"));
    let events = format!("/task/{}/events", path.rsplit('/').next().unwrap());
    // Each address has a few connections.
    let mut open: Vec<Connection> = Vec::new();
    let refused = (0..60).find(|number| {
        let mut connection = attacker.from(number / 8).begin("GET", &events, &[]);
        let mut line = [0; 12];
        let stream = connection.read_exactly(&mut line);
        stream.expect("a status line");
        let is_refused = line.ends_with(b"429");
        open.push(connection);
        is_refused
    });
    assert_eq!(refused, Some(32), "half of 64");
    let listen = |user: &User| {
        let path = location_path(&user.create(10, &[]).expect(201, "creation"));
        let events = format!("/task/{}/events", path.rsplit('/').next().unwrap());
        let mut line = [0; 12];
        let mut connection = user.begin("GET", &events, &[]);
        connection.read_exactly(&mut line).expect("a status line");
        assert!(line.ends_with(b"200"), "{line:?}");
        user.ask("DELETE", &path, &[RESUMABLE], b"")
            .expect(204, "DELETE");
    };
    listen(&neighbours.honest);
}

#[test]
fn places_in_the_queue_are_shared() {
    let folder = Daemon::folder();
    // An engine that reads its input and writes nothing.
    let mute = folder.path().join("mute");
    fs::write(&mute, "#!/bin/sh\nexec cat >/dev/null\n").unwrap();
    fs::set_permissions(&mute, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(
        folder.path().join("scribed.toml"),
        "[transcribe]\nmax_queue = 10",
    )
    .unwrap();
    let daemon = Daemon::start_unready(folder, &["--engine".as_ref(), mute.as_os_str()]);
    let wav = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0";
    let length = wav.len().to_string();
    let chunk = ("Content-Type", "application/offset+octet-stream");
    let headers = [RESUMABLE, chunk, ("Upload-Length", &*length)];
    let send = |number| {
        let from = std::net::Ipv4Addr::new(127, 0, 0, number);
        let mut connection = Connection::open_from(from, daemon.address()).unwrap();
        connection
            .send_head("POST", FILES, &headers, Some(wav.len()))
            .unwrap();
        let _ = connection.send(wav);
        connection.receive("POST").unwrap()
    };
    let taken = (0..12).take_while(|_| send(2).status == 201).count();
    assert!(
        (5..=6).contains(&taken),
        "half, and one that the engine has: {taken}"
    );
    let refused = send(2).expect(429, "more than a share");
    assert!(
        refused.text().contains("you have 5 recordings that wait"),
        "{}",
        refused.text()
    );
    send(3).expect(201, "another's share");
}

#[test]
fn downloads_are_shared_by_owner_from_wherever_they_come() {
    let neighbours = Neighbours::with("[http]\nmax_connections = 64");
    // More than what fits into the buffers of a connection.
    let recording = [&b"ID3"[..], &[7; 8 << 20]].concat();
    let [attacked, honest] =
        [&neighbours.attacker, &neighbours.honest].map(|user| user.upload(&recording, &[]));
    let mut open: Vec<Connection> = Vec::new();
    let refused = (0..60).find(|number| {
        let mut connection = neighbours
            .attacker
            .from(number / 8)
            .begin("GET", &attacked, &[]);
        let mut line = [0; 12];
        connection.read_exactly(&mut line).expect("a status line");
        let is_refused = line.ends_with(b"429");
        open.push(connection);
        is_refused
    });
    assert_eq!(refused, Some(32), "half of 64");
    let download = neighbours.honest.ask("GET", &honest, &[], b"");
    assert!(download.expect(200, "another's share").body == recording);
}

#[test]
fn searches_are_shared() {
    let neighbours = Neighbours::with("");
    for number in 0..50 {
        let path = neighbours.attacker.upload(&[b'x'; 10], &[]);
        assert!(!path.is_empty(), "{number}");
    }
    let search = |user: &User| user.ask("GET", "/task/all?q=abc&page_size=200", &[], b"");
    neighbours.contest(
        16,
        |attacker| {
            let answer = search(attacker);
            assert!([200, 429].contains(&answer.status), "{answer:?}");
        },
        |honest| {
            search(honest).expect(200, "another's share");
            honest.upload_and_remove(&[b'x'; 10_000]);
        },
    );
}
