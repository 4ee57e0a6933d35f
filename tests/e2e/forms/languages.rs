//! Languages as clients write them, wherever one can be given.

use std::process::Command;

use crate::fixtures::form::{FORM, NOISE, form, part};
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::http::request;
use crate::support::task;
use crate::support::tus::{FILES, RESUMABLE, encode_metadata, location_path};

#[test]
fn every_route_understands_the_codes_of_real_clients() {
    let daemon = Daemon::start();
    let address = daemon.address();
    for (written, code) in [
        ("nb-NO", "no"),
        ("zh_Hant_TW", "zh"),
        ("fil", "tl"),
        ("IW", "he"),
    ] {
        let metadata = encode_metadata(&[("language", written)]);
        let headers = [
            RESUMABLE,
            ("Upload-Length", "0"),
            ("Upload-Metadata", &*metadata),
        ];
        let created = request(address, "POST", FILES, &headers, Some(b"")).unwrap();
        let over_tus = location_path(&created.expect(201, written));
        let target = format!("{FILES}?language={written}");
        let complete = [("Upload-Complete", "?1")];
        let created = request(address, "POST", &target, &complete, Some(b"text")).unwrap();
        let over_http = location_path(&created.expect(201, written));
        let file = form(&[part("; name=\"file\"; filename=\"a.wav\"", NOISE)]);
        let target = format!("/speech-to-text?language={written}");
        let sent = request(address, "POST", &target, &[FORM], Some(&file)).unwrap();
        let sent = sent.expect(200, written).json();
        let in_a_form = sent["identifier"].as_str().unwrap();
        for path in [&*over_tus, &over_http, in_a_form] {
            let task = task::ended(address, path.rsplit('/').next().unwrap());
            let language = &task["metadata"]["task_params"]["language"];
            assert_eq!(language, code, "{written}: {task}");
        }
    }
}

#[test]
fn what_is_no_language_is_refused_with_the_nearest_one() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let advice = "did you mean `german` (de)?";
    let metadata = encode_metadata(&[("language", "germn")]);
    let file = form(&[part("; name=\"file\"; filename=\"a.wav\"", NOISE)]);
    let tus = [
        RESUMABLE,
        ("Upload-Length", "4"),
        ("Upload-Metadata", &*metadata),
    ];
    for (status, target, headers, body) in [
        (400, FILES, &tus[..], &b""[..]),
        (
            400,
            "/uploads/files?language=germn",
            &[("Upload-Complete", "?1")],
            b"text",
        ),
        (422, "/speech-to-text?language=germn", &[FORM], &file),
        (422, "/upload/stream?language=germn", &[FORM], &file),
    ] {
        let refused = request(address, "POST", target, headers, Some(body)).unwrap();
        let refused = refused.expect(status, target).text();
        assert!(refused.contains(advice), "{target}: {refused}");
    }
    assert_eq!(task::count(address), 0);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wav"), NOISE).unwrap();
    for arguments in [
        &["transcribe", "a.wav"][..],
        &["send", "a.wav", "--to", "http://127.0.0.1:1"],
    ] {
        let refused = Command::new(PROGRAM)
            .args(arguments)
            .args(["--language", "germn"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{said}");
        assert!(said.contains(advice), "{said}");
    }
}
