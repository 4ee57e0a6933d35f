//! Half-open connections: a phone that lost its Wi-Fi leaves one behind that
//! still looks alive. The newest request wins, and no byte is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::support::daemon::Daemon;
use crate::support::http::{Cut, request};
use crate::support::task;
use crate::support::tus::{RESUMABLE, Upload};

const LENGTH: usize = 300_000;

#[test]
fn head_is_answered_beside_a_patch_and_ends_a_stalled_one() {
    let daemon = Daemon::start();
    let upload = Upload::create(daemon.address(), LENGTH, &[]);
    let mut stalled = upload.patch_in_part(0, LENGTH, &[7; 1000]).unwrap();
    let heads = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while heads.load(Ordering::Relaxed) {
                // What has arrived counts at once, though its PATCH has not ended.
                let head = upload.head().expect(200, "HEAD beside a PATCH");
                let offset = head.number("upload-offset");
                assert!(offset == Some(0) || offset == Some(1000), "{offset:?}");
                sleep(Duration::from_millis(100));
            }
        });
        let answer = stalled.receive("PATCH");
        heads.store(false, Ordering::Relaxed);
        let answer = answer.unwrap().expect(409, "the stalled PATCH");
        assert_eq!(answer.number("upload-offset"), Some(1000));
    });
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
    let answer = older
        .receive("PATCH")
        .unwrap()
        .expect(409, "the older PATCH");
    assert!(answer.number("upload-offset").is_some());
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

#[test]
fn head_after_a_cut_counts_every_byte_that_had_arrived() {
    let daemon = Daemon::start();
    let content: Vec<u8> = (0..8 << 20).map(|at: u32| (at ^ at >> 9) as u8).collect();
    let upload = Upload::create(daemon.address(), content.len(), &[]);
    let mut offset = 0;
    for count in [1, 4096, 70_001, 3_000_000, 1, 2_222_222] {
        let rest = content.len() - offset;
        let sent = offset + count;
        upload
            .patch_in_part(offset, rest, &content[offset..sent])
            .unwrap()
            .cut(Cut::Close);
        // So much fits on its way that the first HEAD may come before its end.
        let heads = if count < 100_000 { 1 } else { 1000 };
        let counted = (0..heads)
            .map(|_| upload.offset())
            .find(|&counted| counted == sent);
        assert!(counted.is_some(), "not all of {count} bytes");
        offset = sent;
    }
    let rest = upload.patch(offset, &content[offset..]).unwrap();
    rest.expect(204, "no other request writes");
    let data = daemon.state_dir().join("uploads").join(upload.id());
    assert!(std::fs::read(data.join("data")).unwrap() == content);
}
