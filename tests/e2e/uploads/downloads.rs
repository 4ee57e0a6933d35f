//! GET of a finished recording, whole and in parts (RFC 9110, section 14).

use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Response, delete, request};
use crate::support::random::{Random, letters, seed};
use crate::support::task;
use crate::support::tus::Upload;
use crate::support::waiting::until;

const LENGTH: usize = 1_000_003;

#[track_caller]
fn get(upload: &Upload, headers: &[(&str, &str)]) -> Response {
    request(upload.address, "GET", &upload.path, headers, None).unwrap()
}

#[test]
fn a_finished_recording_comes_back_whole_and_in_parts() {
    let daemon = Daemon::start();
    let content = letters(LENGTH, &mut Random::new(seed()));
    let metadata = [("filename", "a b\u{e4}.mp3"), ("filetype", "audio/mpeg")];
    let upload = Upload::create(daemon.address(), LENGTH, &metadata);
    get(&upload, &[]).expect(409, "nothing is there");
    upload.patch(0, &content[..9]).unwrap().expect(204, "");
    get(&upload, &[]).expect(409, "not all is there");
    upload.patch(9, &content[9..]).unwrap().expect(204, "");

    let whole = get(&upload, &[]).expect(200, "the whole");
    assert!(whole.body == content);
    let etag = whole.header("etag").unwrap().to_owned();
    for (name, value) in [
        ("accept-ranges", "bytes"),
        ("content-type", "audio/mpeg"),
        (
            "content-disposition",
            "attachment; filename*=UTF-8''a%20b%C3%A4.mp3",
        ),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(whole.header(name), Some(value), "{name}");
    }

    let last = LENGTH - 1;
    for (range, start, end) in [
        ("bytes=0-0", 0, 0),
        ("bytes=5-300004", 5, 300_004),
        ("bytes=999999-", 999_999, last),
        ("bytes=-3", LENGTH - 3, last),
        ("bytes=7-99999999", 7, last),
    ] {
        let part = get(&upload, &[("Range", range)]).expect(206, range);
        let expected = format!("bytes {start}-{end}/{LENGTH}");
        assert_eq!(part.header("content-range"), Some(&*expected));
        assert!(part.body == content[start..=end], "{range}");
        let known = [("Range", range), ("If-Range", &etag)];
        get(&upload, &known).expect(206, "the same recording");
        let other = [("Range", range), ("If-Range", "\"other\"")];
        get(&upload, &other).expect(200, "another one was known");
    }
    for range in ["bytes=1-0", "lines=1-2", "bytes=x", "bytes=0-1,5-6"] {
        let answer = get(&upload, &[("Range", range)]);
        assert!([200, 416].contains(&answer.status), "{range}");
        if answer.status == 200 {
            assert!(answer.body == content, "{range}");
        }
    }
    let all = get(&upload, &[("Range", "bytes=-99999999")]).expect(200, "more than all");
    assert!(all.body == content);
    let empty = Upload::create(daemon.address(), 0, &[]);
    assert_eq!(get(&empty, &[]).expect(200, "nothing").body, b"");
    get(&empty, &[("Range", "bytes=0-0")]).expect(416, "of nothing");
    let beyond = get(&upload, &[("Range", "bytes=1000003-")]).expect(416, "beyond the end");
    let expected = format!("bytes */{LENGTH}");
    assert_eq!(beyond.header("content-range"), Some(&*expected));
}

#[test]
fn what_is_no_recording_is_not_called_one() {
    let daemon = Daemon::start();
    for (filetype, expected) in [
        ("text/html", "application/octet-stream"),
        ("audio/", "application/octet-stream"),
        ("audio/mpeg\r\nX: y", "application/octet-stream"),
        ("video/mp4", "video/mp4"),
    ] {
        let upload = Upload::create(daemon.address(), 5, &[("filetype", filetype)]);
        upload.patch(0, b"<svg>").unwrap().expect(204, "");
        let answer = get(&upload, &[]).expect(200, filetype);
        assert_eq!(answer.header("content-type"), Some(expected));
        assert_eq!(answer.header("x"), None);
        assert_eq!(answer.body, b"<svg>");
    }
    let unknown = Upload {
        address: daemon.address(),
        path: "/uploads/files/0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57".into(),
    };
    get(&unknown, &[]).expect(404, "none of this id");
}

#[test]
fn a_recording_that_was_deleted_is_gone() {
    let daemon = Daemon::start();
    let upload = Upload::create(daemon.address(), 4, &[]);
    upload.patch(0, b"RIFF").unwrap().expect(204, "");
    task::failure(daemon.address(), upload.id());
    let folder = daemon.state_dir().join("uploads").join(upload.id());
    std::fs::remove_file(folder.join("data")).unwrap();
    get(&upload, &[]).expect(410, "its retention is over");
    delete(daemon.address(), &format!("/task/{}", upload.id()));
    get(&upload, &[]).expect(404, "its task was deleted");
}

#[test]
fn a_client_that_takes_nothing_does_not_hold_its_download_for_ever() {
    /// More than both sockets can hold.
    const LENGTH: usize = 64 << 20;
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '1s'"), &[]);
    let content = vec![b'x'; LENGTH];
    let upload = Upload::create(daemon.address(), LENGTH, &[]);
    upload.patch(0, &content).unwrap().expect(204, "");
    let is_read = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
        open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
            .any(|path| path.ends_with(format!("{}/data", upload.id())))
    };
    // From then on there is no other reader.
    task::failure(daemon.address(), upload.id());
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("GET", &upload.path, &[], None)
        .unwrap();
    until("the download has begun", || is_read().then_some(()));
    until("the download is given up", || (!is_read()).then_some(()));
    connection.receive("GET").expect_err("not all of it came");
}
