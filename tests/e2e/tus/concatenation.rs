//! Uploads joined from others (concatenation and concatenation-unfinished
//! extensions).

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::{self, sleep};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use crate::support::daemon::Daemon;
use crate::support::http::{Response, ask, delete, get, request};
use crate::support::random::{Random, letters, seed};
use crate::support::task;
use crate::support::tus::{CONTENT, FILES, RESUMABLE, Upload, encode_metadata, location_path};
use crate::support::waiting::until;

const PARTIAL: (&str, &str) = ("Upload-Concat", "partial");

/// An upload that is to become a part.
fn part(address: SocketAddr, length: usize) -> Upload {
    let length = length.to_string();
    let headers = [RESUMABLE, PARTIAL, ("Upload-Length", &*length)];
    let created = ask(address, "POST", FILES, &headers, b"").expect(201, "a partial upload");
    Upload {
        address,
        path: location_path(&created),
    }
}

/// The same with its bytes.
fn full_part(address: SocketAddr, content: &[u8]) -> Upload {
    let part = part(address, content.len());
    part.finish(content, 8 << 20);
    part
}

fn concat_of(parts: &[&Upload]) -> String {
    let paths: Vec<&str> = parts.iter().map(|part| &*part.path).collect();
    format!("final;{}", paths.join(" "))
}

fn join(address: SocketAddr, concat: &str) -> Response {
    let metadata = encode_metadata(&[("filename", "joined.txt")]);
    let headers = [
        RESUMABLE,
        ("Upload-Concat", concat),
        ("Upload-Metadata", &*metadata),
    ];
    ask(address, "POST", FILES, &headers, b"")
}

fn joined(address: SocketAddr, parts: &[&Upload]) -> Upload {
    let created = join(address, &concat_of(parts)).expect(201, "a final upload");
    Upload {
        address,
        path: location_path(&created),
    }
}

fn data(daemon: &Daemon, upload: &Upload) -> PathBuf {
    let folder = daemon.state_dir().join("uploads").join(upload.id());
    folder.join("data")
}

#[test]
fn concatenation_joins_complete_parts() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let options = ask(address, "OPTIONS", FILES, &[], b"");
    let extensions = options.header("tus-extension").unwrap();
    for extension in ["concatenation", "concatenation-unfinished"] {
        assert!(extensions.split(',').any(|known| known == extension));
    }
    let content = letters(700_001, &mut Random::new(seed()));
    let (first, rest) = content.split_at(300_000);
    let parts = [full_part(address, first), full_part(address, rest)];
    for part in &parts {
        let head = part.head().expect(200, "HEAD of a part");
        assert_eq!(head.header("upload-concat"), Some("partial"));
        assert!(head.header("upload-expires").is_some(), "parts expire");
        get(address, &format!("/task/{}", part.id())).expect(404, "the task of a part");
    }
    assert_eq!(task::count(address), 0, "parts make no tasks");

    let concat = concat_of(&[&parts[0], &parts[1]]);
    let created = join(address, &concat).expect(201, "the final upload");
    assert_eq!(created.number("upload-offset"), Some(700_001));
    assert_eq!(created.header("upload-expires"), None, "it is complete");
    let whole = Upload {
        address,
        path: location_path(&created),
    };
    let head = whole.head().expect(200, "HEAD of the final upload");
    assert_eq!(head.header("upload-concat"), Some(&*concat));
    assert_eq!(head.number("upload-offset"), Some(700_001));
    assert_eq!(head.number("upload-length"), Some(700_001));
    assert_eq!(
        head.header("upload-metadata"),
        Some(&*encode_metadata(&[("filename", "joined.txt")]))
    );
    let got = get(address, &whole.path).expect(200, "GET of the final upload");
    assert!(got.body == content);
    task::ended(address, whole.id());
    assert_eq!(task::all_ids(address), [whole.id()]);

    // It does not change any more.
    let refused = whole.patch(700_001, b"").unwrap();
    refused.expect(403, "PATCH of a final upload");
    let refused = whole.patch(0, b"more").unwrap();
    refused.expect(403, "PATCH of a final upload");
    assert!(fs::read(data(&daemon, &whole)).unwrap() == content);

    // Parts may be used again, in any order, more than once; and without
    // them the whole is what it was.
    let again = joined(address, &[&parts[1], &parts[0], &parts[1]]);
    let expected = [rest, first, rest].concat();
    assert!(fs::read(data(&daemon, &again)).unwrap() == expected);
    for part in &parts {
        part.terminate().expect(204, "DELETE of a part");
    }
    let got = get(address, &again.path).expect(200, "GET without its parts");
    assert!(got.body == expected);
    again.terminate().expect(204, "DELETE of a final upload");
    whole.head().expect(200, "the other one");
}

#[test]
fn concatenation_refuses_what_is_no_part() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let good = full_part(address, b"good");
    let whole = Upload::create(address, 4, &[]);
    let unknown = "/uploads/files/0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
    let big = [&good; 1].map(|_| part(address, 3 << 30));
    let others = [part(address, 3 << 30)];
    for (status, concat) in [
        (400, "final".to_owned()),
        (400, "final;".to_owned()),
        (400, "whole".to_owned()),
        (400, format!("final;{}", good.id())),
        (400, "final;/uploads/files/..%2f..%2fetc".to_owned()),
        (400, format!("final;{} {}", good.path, whole.path)),
        (404, format!("final;{} {unknown}", good.path)),
        (413, concat_of(&[&big[0], &others[0]])),
    ] {
        let refused = join(address, &concat);
        assert_eq!(refused.status, status, "{concat}: {}", refused.text());
        assert!(!refused.text().is_empty());
    }
    let concat = concat_of(&[&good]);
    let final_ = ("Upload-Concat", &*concat);
    for (status, headers, body) in [
        (
            400,
            &[RESUMABLE, final_, ("Upload-Length", "4")][..],
            b"" as &[u8],
        ),
        (400, &[RESUMABLE, final_, ("Upload-Defer-Length", "1")], b""),
        (403, &[RESUMABLE, final_, CONTENT], b"more"),
        (412, &[final_], b""),
        (400, &[RESUMABLE, PARTIAL], b""),
    ] {
        ask(address, "POST", FILES, headers, body).expect(status, "POST");
    }
    let uploads = fs::read_dir(daemon.state_dir().join("uploads")).unwrap();
    assert_eq!(uploads.count(), 4, "nothing was made");
}

#[test]
fn concatenation_unfinished_waits_for_the_last_part() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let content = letters(500_000, &mut Random::new(seed()));
    let (first, rest) = content.split_at(123_457);
    let parts = [full_part(address, first), part(address, rest.len())];
    let whole = joined(address, &[&parts[0], &parts[1]]);
    let head = whole.head().expect(200, "HEAD of one that waits");
    assert_eq!(head.header("upload-offset"), None);
    assert_eq!(head.number("upload-length"), Some(500_000), "it is known");
    assert!(head.header("upload-concat").is_some());
    assert!(head.header("upload-expires").is_some());
    let refused = whole.patch(0, b"more").unwrap();
    refused.expect(403, "PATCH of one that waits");
    get(address, &whole.path).expect(409, "GET of one that waits");
    parts[1]
        .patch(0, &rest[..1000])
        .unwrap()
        .expect(204, "a bit");

    // It waits through a restart too.
    daemon.kill9();
    daemon.start_again();
    daemon.wait_until_ready();
    let address = daemon.address();
    let [_, last] = parts.map(|part| Upload { address, ..part });
    let whole = Upload { address, ..whole };
    last.finish(rest, 100_000);
    let head = until("the upload is joined", || {
        let head = whole.head().expect(200, "HEAD");
        head.header("upload-offset").is_some().then_some(head)
    });
    assert_eq!(head.number("upload-offset"), Some(500_000));
    assert!(fs::read(data(&daemon, &whole)).unwrap() == content);
    task::ended(address, whole.id());
    assert_eq!(task::count(address), 1);

    // One whose parts are gone is taken back like any other.
    let lost = part(address, 10);
    let waiting = joined(address, &[&lost]);
    lost.terminate().expect(204, "DELETE of the part");
    waiting.head().expect(200, "HEAD of one that waits in vain");
    waiting.terminate().expect(204, "DELETE of one that waits");
    waiting.head().expect(404, "HEAD after DELETE");
    delete(address, &format!("/task/{}", whole.id())).expect(200, "DELETE of the task");
}

#[test]
fn joined_parts_expire_and_others_wait_longer() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[upload]\nidle_expiry = '1s'"), &[]);
    daemon.wait_until_ready();
    let address = daemon.address();
    let used = full_part(address, b"used");
    let unused = full_part(address, b"unused");
    let late = part(address, 4);
    let waiting = joined(address, &[&unused, &late]);
    let whole = joined(address, &[&used]);
    until("what is joined, or was not sent, has expired", || {
        let gone = |upload: &Upload| [404, 410].contains(&upload.head().status);
        (gone(&used) && gone(&late) && gone(&waiting)).then_some(())
    });
    let swept = daemon.sweep_command().output().unwrap();
    let summary = String::from_utf8_lossy(&swept.stdout).into_owned();
    assert!(swept.status.success(), "{swept:?}");
    for gone in [&used, &late, &waiting] {
        assert!(!data(&daemon, gone).exists(), "{summary}");
        gone.head().expect(404, "HEAD after the sweep");
    }
    for kept in [&unused, &whole] {
        kept.head().expect(200, "HEAD after the sweep");
    }
    join(address, &concat_of(&[&unused, &late])).expect(404, "a part that is gone");
}

/// At any moment of a join: what was acknowledged is there, what was begun is ended,
/// and nothing is half.
#[test]
fn a_join_that_is_killed_is_ended_by_the_next_start() {
    const PART: usize = 20 << 20;
    let mut daemon = Daemon::start();
    let mut random = Random::new(seed());
    let content = letters(2 * PART + 1, &mut random);
    let parts = [&content[..PART + 1], &content[PART + 1..]];
    let parts = parts.map(|bytes| full_part(daemon.address(), bytes));
    let concat = concat_of(&[&parts[0], &parts[1]]);
    let mut acknowledged = Vec::new();
    for _ in 0..8 {
        let address = daemon.address();
        let concat = concat.clone();
        let asking = thread::spawn(move || {
            let headers = [RESUMABLE, ("Upload-Concat", &*concat)];
            request(address, "POST", FILES, &headers, Some(b"")).ok()
        });
        sleep(Duration::from_millis(random.below(60) as u64));
        daemon.kill9();
        if let Some(created) = asking.join().unwrap() {
            acknowledged.push(location_path(&created.expect(201, "a final upload")));
        }
        daemon.start_again();
        daemon.wait_until_ready();
    }
    let address = daemon.address();
    let folders = || fs::read_dir(daemon.state_dir().join("uploads")).unwrap();
    let finals: Vec<Upload> = folders()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|id| format!("{FILES}{id}"))
        .filter(|path| parts.iter().all(|part| part.path != *path))
        .map(|path| Upload { address, path })
        .collect();
    for path in &acknowledged {
        assert!(finals.iter().any(|upload| upload.path == *path), "{path}");
    }
    // By itself: without a request for any of them.
    until("all are joined", || {
        (task::count(address) == finals.len() as u64).then_some(())
    });
    for upload in &finals {
        assert!(fs::read(data(&daemon, upload)).unwrap() == content);
    }
}

#[test]
fn a_join_that_could_not_be_done_is_tried_again() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let part = full_part(address, b"part");
    let held = fs::File::options()
        .write(true)
        .open(data(&daemon, &part).with_file_name("offset"))
        .unwrap();
    let whole = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&held, FcntlArg::F_OFD_SETLK(&whole)).unwrap();
    let upload = joined(address, &[&part]);
    let waits = || {
        upload
            .head()
            .expect(200, "HEAD")
            .header("upload-offset")
            .is_none()
    };
    assert!(waits(), "its part is in use");
    drop(held);
    until("it is joined", || (!waits()).then_some(()));
}
