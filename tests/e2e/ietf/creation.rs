//! Upload creation and append (draft-ietf-httpbis-resumable-upload, sections 4.2
//! and 4.4), interim responses, and resumption.

use super::support::{CHUNK, Client, VERSIONS, data, limits};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Cut};
use crate::support::random::{Random, letters, seed};
use crate::support::task;
use crate::support::tus::{FILES, location_path};
use crate::support::waiting::until;

#[test]
fn upload_creation_and_append_in_every_version_of_the_draft() {
    let daemon = Daemon::start();
    let content = letters(300_000, &mut Random::new(seed()));
    for version in VERSIONS {
        let client = Client {
            address: daemon.address(),
            version,
        };
        // In several requests.
        let created = client.create(false, &content[..100_000]);
        let created = created.expect(201, version);
        let path = location_path(&created);
        assert_eq!(client.is_complete(&created), Some(false), "{version}");
        assert!(limits(&created).contains(&"min-size=0"), "{version}");
        assert_eq!(
            created.header("upload-draft-interop-version"),
            Some(version)
        );
        let head = client.head(&path).expect(204, version);
        assert_eq!(head.number("upload-offset"), Some(100_000));
        assert_eq!(client.is_complete(&head), Some(false), "{version}");
        assert_eq!(head.header("cache-control"), Some("no-store"));
        assert_eq!(head.header("upload-length"), None, "it is not known yet");
        let appended = client.append(&path, 100_000, false, &content[100_000..200_000]);
        let status = if version == "3" { 201 } else { 204 };
        let appended = appended.expect(status, version);
        assert_eq!(client.is_complete(&appended), Some(false), "{version}");
        assert_eq!(appended.number("upload-offset"), Some(200_000));
        let last = client.append(&path, 200_000, true, &content[200_000..]);
        let last = last.expect(200, version);
        assert_eq!(client.is_complete(&last), Some(true), "{version}");
        let id = path.rsplit('/').next().unwrap();
        assert_eq!(last.json()["identifier"], id);
        let head = client.head(&path).expect(204, version);
        assert_eq!(client.is_complete(&head), Some(true), "{version}");
        assert_eq!(head.number("upload-length"), Some(300_000));
        assert!(data(&daemon, &path) == content, "{version}");
        task::ended(daemon.address(), id);

        // In one.
        let created = client.create(true, &content).expect(201, version);
        assert_eq!(client.is_complete(&created), Some(true), "{version}");
        assert!(data(&daemon, &location_path(&created)) == content);
    }
    assert_eq!(task::count(daemon.address()), 2 * VERSIONS.len() as u64);
}

/// What URLSession does: everything in one request, and the rest in another
/// one when that breaks. The interim answer says where.
#[test]
fn a_creation_that_is_cut_can_be_resumed() {
    let daemon = Daemon::start();
    let content = letters(500_000, &mut Random::new(seed()));
    for version in VERSIONS {
        for cut in [Cut::Close, Cut::Reset] {
            let client = Client {
                address: daemon.address(),
                version,
            };
            let mut connection = Connection::open(client.address).unwrap();
            let headers = [client.draft(), client.complete(true)];
            let length = Some(content.len());
            connection
                .send_head("POST", FILES, &headers, length)
                .unwrap();
            let interim = connection.receive_any("POST").unwrap();
            assert_eq!(interim.status, 104, "{version}");
            assert_eq!(
                interim.header("upload-draft-interop-version"),
                Some(version)
            );
            let path = location_path(&interim);
            assert!(limits(&interim).contains(&"min-size=0"), "{version}");
            connection.send(&content[..200_000]).unwrap();
            connection.cut(cut);
            let offset = until("HEAD has the offset", || {
                let head = client.head(&path).expect(204, version);
                assert_eq!(client.is_complete(&head), Some(false), "{version}");
                assert_eq!(head.number("upload-length"), Some(500_000));
                head.number("upload-offset")
            }) as usize;
            assert!(matches!(cut, Cut::Reset) || offset == 200_000, "{offset}");
            let rest = client.append(&path, offset, true, &content[offset..]);
            rest.expect(200, version);
            assert!(data(&daemon, &path) == content);
        }
    }
}

#[test]
fn interim_answers_come_between_others_and_only_to_clients_that_know_them() {
    let config = "[auth]\nmode = 'open'\nnetworks = ['127.0.0.0/8']\n";
    let daemon = Daemon::start_unready(Daemon::folder_with(config), &[]);
    let client = Client::newest(daemon.address());
    let mut connection = Connection::open(client.address).unwrap();
    let complete = client.complete(true);
    let draft = client.draft();
    for round in 0..3 {
        for (headers, statuses) in [
            (&[complete, draft][..], &[104, 201][..]),
            (&[complete], &[201]),
            (&[complete, draft, ("Via", "1.1 proxy")], &[201]),
            (
                &[complete, draft, ("Expect", "100-continue")],
                &[104, 100, 201],
            ),
        ] {
            connection
                .send_head("POST", FILES, headers, Some(4))
                .unwrap();
            for (at, status) in statuses.iter().enumerate() {
                if at + 1 == statuses.len() {
                    connection.send(b"text").unwrap();
                }
                let answer = connection.receive_any("POST").unwrap();
                assert_eq!(answer.status, *status, "{round} {headers:?}");
            }
        }
    }
    // Requests sent without waiting for answers: each gets its own.
    let mut connection = Connection::open(client.address).unwrap();
    let mut requests = Vec::new();
    for _ in 0..20 {
        let head = format!(
            "POST {FILES} HTTP/1.1\r\nHost: localhost\r\nUpload-Complete: ?1\r\n\
             Upload-Draft-Interop-Version: 8\r\nContent-Length: 4\r\n\r\ntext"
        );
        requests.extend_from_slice(head.as_bytes());
    }
    connection.send(&requests).unwrap();
    for _ in 0..20 {
        let answer = connection.receive("POST").unwrap();
        answer.expect(201, "one of many");
    }
    // While the bytes come: how many of them are durable.
    let path = location_path(&client.create(false, b""));
    let headers = [draft, client.complete(false), CHUNK, ("Upload-Offset", "0")];
    let mut connection = Connection::open(client.address).unwrap();
    connection
        .send_head("PATCH", &path, &headers, Some(1000))
        .unwrap();
    connection.send(&[b'a'; 700]).unwrap();
    until("HEAD counts what came", || {
        let head = client.head(&path).expect(204, "HEAD");
        (head.number("upload-offset") == Some(700)).then_some(())
    });
    let interim = until("all of it is acknowledged", || {
        let interim = connection.receive_any("PATCH").unwrap();
        assert_eq!(interim.status, 104);
        (interim.number("upload-offset") == Some(700)).then_some(interim)
    });
    assert_eq!(interim.header("location"), None);
    connection.send(&[b'a'; 300]).unwrap();
    let appended = connection.receive("PATCH").unwrap().expect(204, "PATCH");
    assert_eq!(appended.number("upload-offset"), Some(1000));
}

#[test]
fn a_version_of_the_draft_that_is_not_spoken_makes_an_upload_without_interim_answers() {
    let daemon = Daemon::start();
    for version in ["2", "7", "9", "x"] {
        let client = Client {
            address: daemon.address(),
            version,
        };
        let mut connection = Connection::open(client.address).unwrap();
        let headers = [client.draft(), client.complete(true)];
        connection
            .send_head("POST", FILES, &headers, Some(4))
            .unwrap();
        connection.send(b"text").unwrap();
        // The first answer is the final one.
        let created = connection.receive_any("POST").unwrap();
        let created = created.expect(201, version);
        let path = location_path(&created);
        let id = path.rsplit('/').next().unwrap();
        assert_eq!(created.json()["identifier"], id, "{version}");
        assert!(data(&daemon, &path) == b"text");
        // One in parts works, too, with what the answer says.
        let path = location_path(&client.create(false, b"01").expect(201, version));
        client.append(&path, 2, true, b"23").expect(200, version);
        assert!(data(&daemon, &path) == b"0123");
        let nothing = client.ask("POST", FILES, &[], Some(b"text"));
        let missing = nothing.expect(400, "no Upload-Complete").text();
        assert!(missing.contains("upload-complete"), "{missing}");
    }
}

#[test]
fn cancellation_limits_and_options() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let options = client
        .ask("OPTIONS", FILES, &[], None)
        .expect(204, "OPTIONS");
    let accepted = options.header("accept-patch").unwrap();
    assert!(accepted.contains("application/partial-upload"));
    assert_eq!(limits(&options), ["max-size=5368709120", "min-size=0"]);

    let path = location_path(&client.create(false, b"0123"));
    client.ask("DELETE", &path, &[], None).expect(204, "DELETE");
    client.head(&path).expect(404, "HEAD after DELETE");

    let id = "0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
    let target = format!("{FILES}?language=de&model=demo&taskId={id}");
    let name = "inline; filename=\"x\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt";
    let headers = [
        client.complete(true),
        ("Content-Disposition", name),
        ("Content-Type", "text/plain"),
    ];
    let put = client.ask("PUT", &target, &headers, Some(b"text"));
    let put = put.expect(201, "PUT");
    assert_eq!(location_path(&put), format!("{FILES}{id}"));
    let task = task::ended(client.address, id);
    assert_eq!(task["metadata"]["file_name"], "größe.txt");
    assert_eq!(task["metadata"]["language"], "de");
}
