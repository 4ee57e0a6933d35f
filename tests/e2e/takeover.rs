//! Half-open connections: a phone that lost its Wi-Fi leaves one behind that
//! still looks alive. The newest request wins, and no byte is lost.

use std::thread::sleep;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::http::request;
use crate::task;
use crate::tus::{RESUMABLE, Upload};
use crate::waiting::until;

const LENGTH: usize = 300_000;

#[test]
fn head_is_answered_beside_a_patch_and_ends_a_stalled_one() {
    let daemon = Daemon::start();
    let upload = Upload::create(daemon.address(), LENGTH, &[]);
    let mut stalled = upload.patch_in_part(0, LENGTH, &[7; 1000]).unwrap();
    // Whatever it says, it is durable; it says so at once.
    let offset = upload
        .head()
        .expect(200, "HEAD beside a PATCH")
        .number("upload-offset");
    assert!(offset == Some(0) || offset == Some(1000), "{offset:?}");
    until("the stalled PATCH is ended and its bytes count", || {
        (upload.head().number("upload-offset") == Some(1000)).then_some(())
    });
    let told = stalled
        .receive("PATCH")
        .unwrap()
        .expect(409, "the stalled PATCH");
    assert_eq!(told.number("upload-offset"), Some(1000));
}

#[test]
fn a_newer_patch_takes_over() {
    let daemon = Daemon::start();
    let upload = Upload::create(daemon.address(), LENGTH, &[("filename", "a.txt")]);
    let content = vec![b'a'; LENGTH];
    let mut older = upload.patch_in_part(0, LENGTH, &content[..1000]).unwrap();
    // The bytes have arrived by then, or are still on their way: both must do.
    sleep(Duration::from_millis(50));
    let newer = upload.patch(0, &content).unwrap();
    let offset = match newer.status {
        204 => LENGTH,
        // What the older one had received came first.
        409 => newer.number("upload-offset").unwrap() as usize,
        other => panic!("{other}: {}", newer.text()),
    };
    assert!([1000, LENGTH].contains(&offset), "{offset}");
    let told = older
        .receive("PATCH")
        .unwrap()
        .expect(409, "the older PATCH");
    assert!(told.number("upload-offset").is_some());
    upload.finish(&content, 100_000);
    let data = std::fs::read(
        daemon
            .state_dir()
            .join("uploads")
            .join(upload.id())
            .join("data"),
    );
    assert!(data.unwrap() == content);
    assert!(task::failure(daemon.address(), upload.id()).contains("text"));
}

#[test]
fn a_delete_ends_a_patch() {
    let daemon = Daemon::start();
    let upload = Upload::create(daemon.address(), LENGTH, &[]);
    let mut running = upload.patch_in_part(0, LENGTH, &[7; 1000]).unwrap();
    sleep(Duration::from_millis(50));
    request(upload.address, "DELETE", &upload.path, &[RESUMABLE], None)
        .unwrap()
        .expect(204, "DELETE");
    running.receive("PATCH").unwrap().expect(409, "the PATCH");
    assert!([404, 410].contains(&upload.head().status));
}
