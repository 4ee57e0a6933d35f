//! What joining uploads takes of a disk.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::fixtures::appliance::{Engine, start, state_dir};
use crate::fixtures::volume::{Kind, Small};
use crate::support::daemon::Daemon;
use crate::support::http::{Response, request};
use crate::support::tus::{CONTENT, FILES, RESUMABLE};

const DISK_BYTES: u64 = 320 << 20;
const PART_BYTES: usize = 32 << 20;

fn free_bytes(disk: &Path) -> u64 {
    let disk = statvfs(disk).expect("the disk is there");
    disk.blocks_available() * disk.fragment_size()
}

fn part(daemon: &Daemon, content: &[u8]) -> String {
    let length = content.len().to_string();
    let headers = [
        RESUMABLE,
        CONTENT,
        ("Upload-Concat", "partial"),
        ("Upload-Length", &*length),
    ];
    let created = request(daemon.address(), "POST", FILES, &headers, Some(content)).unwrap();
    let created = created.expect(201, "a part");
    assert_eq!(created.number("upload-offset"), Some(content.len() as u64));
    created.header("location").expect("Location").to_owned()
}

fn join(daemon: &Daemon, parts: &[String]) -> Response {
    let concat = format!("final;{}", parts.join(" "));
    let headers = [RESUMABLE, ("Upload-Concat", &*concat)];
    request(daemon.address(), "POST", FILES, &headers, Some(b"")).unwrap()
}

/// Bytes of disk that a joined upload took.
fn taken_by_joining(kind: Kind, lengths: [usize; 2]) -> u64 {
    let disk = Small::new(kind, DISK_BYTES);
    let daemon = start(disk.path(), Engine::Mute);
    let content: Vec<u8> = (0..lengths[0] + lengths[1])
        .map(|at| (at ^ at >> 11) as u8)
        .collect();
    let (first, second) = content.split_at(lengths[0]);
    let parts = [part(&daemon, first), part(&daemon, second)];
    let before = free_bytes(disk.path());
    let joined = join(&daemon, &parts).expect(201, "the final upload");
    let id = joined.header("location").unwrap().rsplit('/').next();
    let folder = state_dir(disk.path()).join("uploads").join(id.unwrap());
    assert!(std::fs::read(folder.join("data")).unwrap() == content);
    before.saturating_sub(free_bytes(disk.path()))
}

#[test]
fn blocks_are_shared_where_the_file_system_can_do_that() {
    const LITTLE: u64 = 4 << 20;
    let whole = 2 * PART_BYTES as u64;
    let even = [PART_BYTES; 2];
    assert!(taken_by_joining(Kind::Xfs, even) < LITTLE);
    // The second part begins in the middle of a block.
    let taken = taken_by_joining(Kind::Xfs, [PART_BYTES + 1, PART_BYTES - 1]);
    assert!(taken < whole / 2 + LITTLE, "{taken}");
    assert!(taken_by_joining(Kind::Ext4, even) >= whole);
}

#[test]
fn a_join_that_finds_no_space_is_refused_and_leaves_nothing() {
    let disk = Small::new(Kind::Ext4, 100 << 20);
    let daemon = start(disk.path(), Engine::Mute);
    let parts = [0, 1].map(|_| part(&daemon, &[7; 26 << 20]));
    let before = free_bytes(disk.path());
    join(&daemon, &parts).expect(507, "more than there is");
    let uploads = std::fs::read_dir(state_dir(disk.path()).join("uploads")).unwrap();
    assert_eq!(uploads.count(), 2, "the parts");
    assert_eq!(free_bytes(disk.path()), before);
}
