//! Limits that are met in the middle: files that may not grow further,
//! connections on which nothing comes any more. What had arrived is kept, and
//! the daemon lives on.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::daemon::{Daemon, run_under};
use crate::support::http::{Connection, Response, request};
use crate::support::random::{Random, letters, seed};
use crate::support::task;
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

/// No file may be larger (setrlimit(2), RLIMIT_FSIZE).
const FILE_LIMIT: usize = 20 << 20;

/// A daemon that meets that limit.
fn limited() -> Daemon {
    let daemon = Daemon::start();
    let limit = Command::new("prlimit")
        .arg(format!("--pid={}", daemon.pid()))
        .arg(format!("--fsize={FILE_LIMIT}"))
        .status();
    assert!(limit.unwrap().success());
    daemon
}

fn post(address: SocketAddr, header: (&str, &str)) -> Response {
    request(address, "POST", FILES, &[RESUMABLE, header], Some(b"")).unwrap()
}

#[test]
fn what_cannot_be_taken_in_is_refused_at_its_creation() {
    // Alone a client has half of them, rounded up.
    let configuration = "[upload]\nmax_size = '1MiB'\nmax_unfinished = 3";
    let daemon = Daemon::start_unready(Daemon::folder_with(configuration), &[]);
    let create = |length| post(daemon.address(), ("Upload-Length", length));
    create("1048577").expect(413, "more than max_size");
    let first = create("1048576").expect(201, "as much as max_size");
    create("10").expect(201, "a second one");
    let refused = create("10").expect(429, "a third one");
    assert!(refused.number("retry-after").is_some());
    assert!(refused.text().contains("you have 2 unfinished uploads"));
    let first = Upload {
        address: daemon.address(),
        path: tus::location_path(&first),
    };
    first.terminate().expect(204, "DELETE");
    create("10").expect(201, "another second one");

    let configuration = "[upload]\nreserve_free = '1000TiB'";
    let daemon = Daemon::start_unready(Daemon::folder_with(configuration), &[]);
    for header in [("Upload-Length", "1"), ("Upload-Defer-Length", "1")] {
        post(daemon.address(), header).expect(507, "no space beside reserve_free");
    }
    for folder in ["creating", "uploads"] {
        let folder = fs::read_dir(daemon.state_dir().join(folder)).unwrap();
        assert_eq!(folder.count(), 0, "nothing is left");
    }
}

#[test]
fn no_more_uploads_are_taken_than_can_wait_for_the_engine() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Daemon::folder_with("[transcribe]\nmax_queue = 3");
    // An engine that reads its input and writes nothing.
    let mute = folder.path().join("mute");
    fs::write(&mute, "#!/bin/sh\nexec cat >/dev/null\n").unwrap();
    fs::set_permissions(&mute, fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = Daemon::start_unready(folder, &["--engine".as_ref(), mute.as_os_str()]);
    let address = daemon.address();
    let wav = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0";
    let begun = Upload::create(address, wav.len(), &[]);
    // One that the engine should have, and two that wait.
    let waiting = [0; 3].map(|_| tus::upload(address, "a.wav", wav));
    let refused = post(address, ("Upload-Length", "4")).expect(429, "one more");
    assert!(refused.number("retry-after").is_some());
    assert!(refused.text().contains("wait"), "{}", refused.text());
    let part = [
        RESUMABLE,
        ("Upload-Length", "4"),
        ("Upload-Concat", "partial"),
    ];
    request(address, "POST", FILES, &part, Some(b""))
        .unwrap()
        .expect(201, "a part is no task yet");
    begun.finish(wav, 100);
    for upload in [&begun, &waiting[2]] {
        upload.terminate().expect(204, "DELETE");
    }
    post(address, ("Upload-Length", "4")).expect(201, "there is a place again");
}

#[test]
fn a_creation_beyond_the_file_size_limit_is_refused() {
    let mut daemon = limited();
    let address = daemon.address();
    for (length, status) in [
        (FILE_LIMIT + 1, 507),
        (FILE_LIMIT, 201),
        (2 * FILE_LIMIT, 507),
        (1, 201),
    ] {
        let length = length.to_string();
        post(address, ("Upload-Length", &length)).expect(status, &length);
    }
    let creating = daemon.state_dir().join("creating");
    assert_eq!(
        fs::read_dir(creating).unwrap().count(),
        0,
        "nothing is left"
    );
    let upload = tus::upload(address, "a.txt", b"Dear diary, nothing happened.");
    task::failure(address, upload.id());
    daemon.assert_alive();
}

#[test]
fn an_upload_of_unknown_length_that_meets_the_limit_keeps_what_fitted() {
    let mut daemon = limited();
    let address = daemon.address();
    let content = letters(FILE_LIMIT + 1, &mut Random::new(seed()));
    let created = post(address, ("Upload-Defer-Length", "1")).expect(201, "creation");
    let upload = Upload {
        address,
        path: tus::location_path(&created),
    };
    upload.patch(0, &content[..1000]).unwrap().expect(204, "");
    upload
        .patch(1000, &content[1000..])
        .unwrap()
        .expect(507, "more than fits");
    daemon.assert_alive();
    let kept = upload.offset();
    println!("{kept} of {FILE_LIMIT} bytes kept");
    assert!((1001..=FILE_LIMIT).contains(&kept), "{kept}");

    // All that fits can still come, and not a byte more.
    let rest = &content[kept..FILE_LIMIT];
    upload.patch(kept, rest).unwrap().expect(204, "the rest");
    let last = upload.patch(FILE_LIMIT, &content[FILE_LIMIT..]).unwrap();
    last.expect(507, "the last byte");
    let ends = |length: usize| {
        let (offset, length) = (FILE_LIMIT.to_string(), length.to_string());
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Offset", &*offset),
            ("Upload-Length", &*length),
        ];
        request(address, "PATCH", &upload.path, &headers, Some(b"")).unwrap()
    };
    ends(FILE_LIMIT + 1).expect(507, "a length beyond the limit");
    assert_eq!(upload.offset(), FILE_LIMIT);
    ends(FILE_LIMIT).expect(204, "the length at last");
    let data = daemon.state_dir().join("uploads").join(upload.id());
    assert!(fs::read(data.join("data")).unwrap() == content[..FILE_LIMIT]);
    task::failure(address, upload.id());
    daemon.assert_alive();
}

#[test]
fn a_body_that_stops_coming_is_answered_and_its_bytes_are_kept() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '1s'"), &[]);
    let content = letters(100_000, &mut Random::new(seed()));
    let upload = Upload::create(daemon.address(), content.len(), &[]);
    let mut offset = 0;
    for sent in [0, 1, 5000, 99_999] {
        let rest = content.len() - offset;
        let mut stalled = upload
            .patch_in_part(offset, rest, &content[offset..sent])
            .unwrap();
        let answer = stalled.receive("PATCH").unwrap();
        let answer = answer.expect(408, "a body that stopped coming");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(upload.offset(), sent);
        offset = sent;
    }
    upload.finish(&content, 1);
    let data = daemon.state_dir().join("uploads").join(upload.id());
    assert!(fs::read(data.join("data")).unwrap() == content);
}

#[test]
fn a_body_that_trickles_does_not_hold_its_connection_for_ever() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '1s'"), &[]);
    let upload = Upload::create(daemon.address(), 100_000, &[]);
    let mut trickling = upload.patch_in_part(0, 100_000, b"R").unwrap();
    let sent = until("the trickle is cut", || match upload.offset() {
        0 => {
            // It may have been cut since.
            let _ = trickling.send(b"I");
            None
        }
        offset => Some(offset),
    });
    trickling.receive("PATCH").unwrap().expect(408, "a trickle");
    assert_eq!(upload.offset(), sent);
}

#[test]
fn idle_connections_are_ended() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '1s'"), &[]);
    for sent in [
        "",
        "G",
        "GET /health/live HTTP/1.1\r\n",
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\n",
    ] {
        let mut connection = Connection::open(daemon.address()).unwrap();
        connection.send(sent.as_bytes()).unwrap();
        assert_ended(connection);
    }
    let mut connection = Connection::open(daemon.address()).unwrap();
    for _ in 0..2 {
        connection
            .send_head("GET", "/health/live", &[], None)
            .unwrap();
        connection.receive("GET").unwrap().expect(200, "kept open");
    }
    assert_ended(connection);
}

/// Reads to the end of the connection; the daemon may say why before.
fn assert_ended(mut connection: Connection) {
    let error = loop {
        match connection.receive("GET") {
            Ok(answer) => drop(answer.expect(408, "the reason")),
            Err(error) => break error,
        }
    };
    assert!(
        [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()),
        "{error}"
    );
}

/// Has a command run where little memory may be locked: enough for a ring, not
/// for its buffers. Root may always lock it, unless that right is taken away.
fn with_little_locked_memory(command: &mut Command) {
    let limit = ["prlimit", "--memlock=1048576:1048576"];
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let without_the_right = ["setpriv", "--bounding-set=-ipc_lock"];
    let words = match is_root {
        true => [without_the_right, limit].concat(),
        false => limit.to_vec(),
    };
    run_under(command, &words);
}

#[test]
fn buffers_that_cannot_be_registered_are_reported_once_and_cost_nothing_else() {
    const LENGTH: usize = 5_000_001;
    let mut daemon = Daemon::start_changed(Daemon::folder(), with_little_locked_memory);
    let content = letters(LENGTH, &mut Random::new(seed()));
    for _ in 0..2 {
        let upload = Upload::create(daemon.address(), LENGTH, &[]);
        upload.patch(0, &content[..7]).unwrap().expect(204, "");
        upload.patch(7, &content[7..]).unwrap().expect(204, "");
        let data = daemon.state_dir().join("uploads").join(upload.id());
        assert!(
            fs::read(data.join("data")).unwrap() == content,
            "it differs"
        );
    }
    daemon.assert_alive();
    let said = daemon.stderr();
    let count = said.matches("cannot register buffers").count();
    assert_eq!(count, 1, "{said}");
}
