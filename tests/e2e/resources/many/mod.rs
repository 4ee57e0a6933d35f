//! A hundred thousand uploads of long ago: they neither delay the start nor
//! fill the memory, and one sweep takes away those whose time is over.

mod copies;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::AT_FDCWD;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use nix::sys::statvfs::statvfs;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::proc_status::number_of;
use crate::fixtures::raised_on_drop::RaisedOnDrop;
use crate::support::daemon::Daemon;
use crate::support::http::get;
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus::{self, Upload};
use crate::support::waiting::until;

use copies::{Sharing, copy_upload};

const MANY: usize = 100_000;

/// How much more memory than an empty daemon one with so many tasks may take.
const TASKS_MAX_KIB: u64 = 32 * 1024;

/// How much memory a sweep may take, however much there is to remove.
const SWEEP_MAX_KIB: u64 = 16 * 1024;

/// Searches at a time, beside which an upload takes at most so many times what it
/// takes alone, and so much more.
const SEARCHES: usize = 32;
const SLOWER: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(3);

/// By how much expired uploads are older than live ones.
const AGE: Duration = Duration::from_secs(20);

/// Room for so many folders, and for what the daemon never takes.
const ROOM_BYTES: u64 = 6 << 30;

#[test]
fn many_old_tasks_neither_delay_the_start_nor_fill_the_memory() {
    let mut daemon = Daemon::start_unready(roomy_folder(), &[]);
    let spoken = speech::speak(Script::short(VOICES[0], 1));
    let upload = tus::upload(daemon.address(), "a.wav", &spoken.bytes());
    task::transcript(daemon.address(), upload.id());
    read_pages(daemon.address());
    let empty_kib = peak_kib(daemon.pid().as_raw());
    assert_eq!(daemon.terminate().code(), Some(0));

    let begun = Instant::now();
    let folder = daemon.state_dir().join("uploads").join(upload.id());
    let ids = copy_upload(&folder, MANY, Sharing::Linked);
    println!("{MANY} folders made in {:?}", begun.elapsed());
    let barrier = Barrier::before(&folder.join("upload.json"));

    // The scan stands still at the barrier, and all else goes on.
    let begun = Instant::now();
    daemon.start_again();
    let address = daemon.address();
    get(address, "/health/live").expect(200, "live");
    get(address, "/task/all").expect(503, "not all tasks are known");
    get(address, &format!("/task/{}", ids[MANY / 2])).expect(200, "a task of before");
    let new = tus::upload(address, "a.txt", b"Dear diary, nothing happened.");
    task::failure(address, new.id());
    get(address, "/task/all").expect(503, "still not");
    println!("a new upload is done after {:?}", begun.elapsed());
    barrier.lift();

    let total = read_pages(address);
    println!("{total} tasks known after {:?}", begun.elapsed());
    for path in [
        "?page_size=200",
        "?page=1000&page_size=50",
        "?q=A.WA&page=9",
    ] {
        let path = format!("/task/all{path}");
        let mut took: Vec<_> = (0..15)
            .map(|_| {
                let begun = Instant::now();
                get(address, &path).expect(200, "a page");
                begun.elapsed()
            })
            .collect();
        took.sort();
        println!("{path} takes {:?}", took[took.len() / 2]);
    }
    assert_eq!(total, MANY + 2);
    let known = daemon.stderr();
    assert!(known.contains(&format!("{total} tasks found")), "{known}");
    let full_kib = peak_kib(daemon.pid().as_raw());
    let bytes = (full_kib.saturating_sub(empty_kib)) * 1024 / MANY as u64;
    println!("peak memory {empty_kib} KiB empty, {full_kib} KiB full: {bytes} bytes a task");
    assert!(full_kib <= empty_kib + TASKS_MAX_KIB);

    let alone = longest_upload(address);
    let is_over = AtomicBool::new(false);
    let beside = thread::scope(|scope| {
        let _over = RaisedOnDrop(&is_over);
        for _ in 0..SEARCHES {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = get(address, "/task/all?q=A.WA&page=9");
                    assert!([200, 429].contains(&answer.status), "{answer:?}");
                }
            });
        }
        longest_upload(address)
    });
    println!("an upload takes {alone:?} alone, {beside:?} beside {SEARCHES} searches");
    assert!(beside <= alone * SLOWER + PATIENCE);
}

/// How long the longest of some uploads takes.
fn longest_upload(address: SocketAddr) -> Duration {
    let uploads = [(); 5].map(|()| {
        let begun = Instant::now();
        let upload = Upload::create(address, 100_000, &[]);
        upload.finish(&[b'x'; 100_000], 50_000);
        begun.elapsed()
    });
    uploads.into_iter().max().unwrap_or_default()
}

#[test]
fn one_sweep_takes_away_very_many_expired_uploads_in_little_memory() {
    let mut daemon = Daemon::start_unready(roomy_folder(), &[]);
    daemon.wait_until_ready();
    let address = daemon.address();
    let old = Upload::create(address, 10, &[("filename", "a.wav")]);
    let idle_since = Instant::now();
    let uploads = daemon.state_dir().join("uploads");
    copy_upload(&uploads.join(old.id()), MANY, Sharing::Separate);
    println!("{MANY} folders made in {:?}", idle_since.elapsed());
    until("the old ones can be distinguished from new ones", || {
        (idle_since.elapsed() >= AGE).then_some(())
    });

    let idle_expiry = idle_since.elapsed();
    let live = [0, 4].map(|offset| {
        let upload = Upload::create(address, 10, &[]);
        upload.patch(0, &b"0123"[..offset]).unwrap();
        (upload, offset)
    });
    let writing = Upload::create(address, 10, &[]);
    let body = writing.patch_in_part(0, 10, b"0123").unwrap();
    let begun = Instant::now();
    let (summary, peak_kib) = sweep(&daemon, idle_expiry);
    println!(
        "{summary} in {:?}, peak memory {peak_kib} KiB",
        begun.elapsed()
    );
    let expected = format!("removed {} expired uploads, 0 orphans", MANY + 1);
    assert!(summary.starts_with(&expected), "{summary}");
    assert_eq!(fs::read_dir(&uploads).unwrap().count(), live.len() + 1);
    assert!(peak_kib <= SWEEP_MAX_KIB);
    for (upload, offset) in live {
        assert_eq!(upload.offset(), offset);
    }
    drop(body);
    writing.finish(b"0123456789", 10);
    old.head().expect(404, "swept away");
    daemon.assert_alive();
}

/// A folder in memory, if that is large enough: what is tested is the number,
/// not the disk.
fn roomy_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let free_bytes = statvfs(memory).map_or(0, |memory| {
        memory.blocks_available() * memory.fragment_size()
    });
    match free_bytes >= ROOM_BYTES {
        true => Daemon::folder_in(memory),
        false => Daemon::folder(),
    }
}

/// Reads pages from the start, the middle and the end of the list of all
/// tasks, and one behind it; the total, which all must have.
fn read_pages(address: SocketAddr) -> usize {
    const PAGE_SIZE: usize = 200;
    let page = |number: usize| {
        let path = format!("/task/all?page={number}&page_size={PAGE_SIZE}");
        let all = until("all tasks are known", || {
            let answer = get(address, &path);
            (answer.status != 503).then(|| answer.expect(200, "a page").json())
        });
        let total = all["total"].as_u64().unwrap() as usize;
        let id = |task: &Value| task["identifier"].as_str().unwrap().to_owned();
        let ids: Vec<String> = all["tasks"].as_array().unwrap().iter().map(id).collect();
        let before = (number - 1) * PAGE_SIZE;
        assert_eq!(
            ids.len(),
            total.saturating_sub(before).min(PAGE_SIZE),
            "{number}"
        );
        (ids, total)
    };
    let (mut all, total) = page(1);
    let last = total.div_ceil(PAGE_SIZE).max(1);
    for number in [2, last / 2, last - 1, last, last + 1] {
        if number > 1 {
            let (ids, again) = page(number);
            assert_eq!(again, total, "page {number}");
            all.extend(ids);
        }
    }
    let listed = all.len();
    assert!(total < 5 * PAGE_SIZE || BTreeSet::from_iter(all).len() == listed);
    total
}

/// A file that cannot be opened until the barrier is lifted (fanotify, as root).
struct Barrier(Fanotify);

impl Barrier {
    fn before(path: &Path) -> Barrier {
        let flags = InitFlags::FAN_CLASS_CONTENT | InitFlags::FAN_CLOEXEC;
        let group = Fanotify::init(flags, EventFFlags::O_RDONLY).expect("fanotify, as root");
        let marked = group.mark(
            MarkFlags::FAN_MARK_ADD,
            MaskFlags::FAN_OPEN_PERM,
            AT_FDCWD,
            Some(path),
        );
        marked.expect("a mark");
        Barrier(group)
    }

    /// Closing the group permits what waits.
    fn lift(self) {
        drop(self.0);
    }
}

/// `scribed sweep`: its summary and its peak memory.
fn sweep(daemon: &Daemon, idle_expiry: Duration) -> (String, u64) {
    let child = daemon
        .sweep_command()
        .env(
            "SCRIBED_UPLOAD_IDLE_EXPIRY",
            format!("{}ms", idle_expiry.as_millis()),
        )
        .stdout(Stdio::piped())
        .spawn();
    let mut child = KilledOnDrop(child.unwrap());
    let mut highest_kib = 0;
    let status = until("the sweep ends", || {
        // A process that has ended has no such line.
        highest_kib = highest_kib.max(peak_kib(child.0.id() as i32));
        child.0.try_wait().unwrap()
    });
    assert!(status.success(), "{status}");
    let summary = std::io::read_to_string(child.0.stdout.take().unwrap()).unwrap();
    (summary.trim().to_owned(), highest_kib)
}

fn peak_kib(pid: i32) -> u64 {
    let status = PathBuf::from(format!("/proc/{pid}/status"));
    let ended = !fs::read_to_string(&status).is_ok_and(|status| status.contains("VmHWM:"));
    if ended {
        0
    } else {
        number_of(Path::new(&status), "VmHWM:")
    }
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
