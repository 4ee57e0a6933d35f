//! What clients do while the disk records: everything that the daemon
//! acknowledges, many at a time, with cut connections, a sweep and crashes of
//! the daemon in between.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::client::{Client, Length, head_of, join, send_form};
use crate::story::{Event, Story};
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::http::{Cut, request};
use crate::support::random::Random;
use crate::support::speech::{self, Script, VOICES};
use crate::support::tus::{FILES, RESUMABLE};
use crate::support::waiting::until;

/// What the sweep takes for idle: the daemon itself waits far longer.
const SWEEP_EXPIRY: Duration = Duration::from_secs(3);

/// Longer than the daemon lets bytes of one request be uncommitted.
const SLOW: Duration = Duration::from_secs(7);

/// Large uploads, and how many of them stay.
const LARGE: usize = 6;
const LARGE_KEPT: usize = 2;

/// Several times what the daemon gathers before it writes.
const LARGE_BYTES: usize = 2_000_000;

/// How often the daemon is killed.
const KILLS: usize = 3;

/// Runs it all; the daemon is running before and after.
pub fn run(story: &Story, daemon: &mut Daemon, random: &mut Random) {
    side_by_side(story, daemon, random);
    for _ in 0..KILLS {
        kill_in_the_middle(story, daemon, random);
    }
    for (id, content) in recordings_of(story) {
        Client::again(story, daemon.address(), &id, content).wait_for_transcript();
    }
}

/// Every kind of client at the same time.
fn side_by_side(story: &Story, daemon: &Daemon, random: &mut Random) {
    let address = daemon.address();
    let state_dir = &daemon.state_dir();
    let mut numbers = || random.fork();
    let slow_is_done = &AtomicBool::new(false);
    scope(|threads| {
        for mut random in [numbers(), numbers(), numbers()] {
            threads.spawn(move || {
                while !slow_is_done.load(Ordering::Relaxed) {
                    steady(story, address, &mut random).expect("steady uploads");
                    sleep(Duration::from_millis(random.below(200) as u64));
                }
            });
        }
        let mut random = numbers();
        threads.spawn(move || {
            while !slow_is_done.load(Ordering::Relaxed) {
                cutting(story, address, &mut random).expect("cut uploads");
            }
        });
        let mut random = numbers();
        threads.spawn(move || {
            while !slow_is_done.load(Ordering::Relaxed) {
                removing(story, address, &mut random).expect("removed uploads");
                sleep(Duration::from_millis(100));
            }
        });
        let mut random = numbers();
        threads.spawn(move || {
            while !slow_is_done.load(Ordering::Relaxed) {
                joining(story, address, &mut random).expect("joined uploads");
                in_a_form(story, address, &mut random).expect("forms");
                sleep(Duration::from_millis(200));
            }
        });
        let mut random = numbers();
        threads.spawn(move || {
            for number in 0..LARGE {
                large(story, address, &mut random, number < LARGE_KEPT).expect("large uploads");
            }
        });
        let mut random = numbers();
        threads.spawn(move || {
            speaking(story, address, &mut random, 0).expect("a recording");
            let second = speaking(story, address, &mut random, 1).expect("a recording");
            second.wait_for_transcript();
            second.delete_task().expect("its task is deleted");
        });
        let mut random = numbers();
        threads.spawn(move || {
            slow(story, address, state_dir, &mut random).expect("a slow upload");
            slow_is_done.store(true, Ordering::Relaxed);
        });
    });
}

/// One request after the other, each answered before the next.
fn steady(story: &Story, address: SocketAddr, random: &mut Random) -> io::Result<()> {
    let mut client = some_upload(story, address, random, 200_000, Length::First)?;
    // Some stay unfinished.
    let stops_at = match random.one_in(3) {
        true => random.below(client.length() as usize) as u64,
        false => client.length(),
    };
    while client.offset < stops_at {
        client.patch(random.between(1, 40_000))?;
        match random.below(8) {
            0 => drop(client.head()?),
            1 => client.patch_at_wrong_offset()?,
            _ => {}
        }
    }
    client.look_at_task()?;
    Ok(())
}

/// Pieces so large that they go past the page cache, at positions that are no
/// block's, some of them cut.
fn large(story: &Story, address: SocketAddr, random: &mut Random, is_kept: bool) -> io::Result<()> {
    let length = LARGE_BYTES + random.below(5000);
    let content: Arc<[u8]> = random.bytes(length).into();
    let mut client = Client::create(story, address, "noise", content, 0, Length::First, random)?;
    while !client.is_finished() {
        if random.one_in(3) {
            client.patch_and_cut(random.between(2, 1_500_000), Cut::Close)?;
            client.head()?;
        } else {
            client.patch(random.between(300_000, 1_500_000))?;
        }
    }
    client.look_at_task()?;
    match is_kept {
        true => Ok(()),
        false => client.delete_task(),
    }
}

/// Connections break in the middle of requests, and it goes on from there.
fn cutting(story: &Story, address: SocketAddr, random: &mut Random) -> io::Result<()> {
    // Space for those is reserved in large steps: a few at a time are enough.
    let told = match random.one_in(3) {
        true => Length::Last,
        false => Length::First,
    };
    let mut client = some_upload(story, address, random, 150_000, told)?;
    while !client.is_finished() {
        let how = *random.pick(&[Cut::Close, Cut::Reset]);
        client.patch_and_cut(random.between(2, 60_000), how)?;
        if !client.head()? {
            return Ok(());
        }
        client.patch(random.between(1, 30_000))?;
    }
    Ok(())
}

/// Uploads are terminated in the middle, or once they are tasks.
fn removing(story: &Story, address: SocketAddr, random: &mut Random) -> io::Result<()> {
    let mut client = some_upload(story, address, random, 60_000, Length::First)?;
    if random.one_in(2) {
        let half = client.length() as usize / 2;
        client.patch(half)?;
        return client.terminate();
    }
    while !client.is_finished() {
        client.patch(50_000)?;
    }
    match random.one_in(2) {
        true => client.terminate(),
        false => client.delete_task(),
    }
}

/// Parts that lie evenly on blocks, and others, become one.
fn joining(story: &Story, address: SocketAddr, random: &mut Random) -> io::Result<()> {
    let mut length = || match random.one_in(2) {
        true => 4096 * random.between(1, 20),
        false => random.between(1, 90_000),
    };
    let lengths = [length(), length()];
    let content = random.bytes(lengths[0] + lengths[1]);
    let (first, second) = content.split_at(lengths[0]);
    join(story, address, &[first, second], random)
}

/// Recordings that come whole or not at all.
fn in_a_form(story: &Story, address: SocketAddr, random: &mut Random) -> io::Result<()> {
    let length = random.between(1, 200_000);
    // What is plainly no recording would be refused.
    let content = [&b"ID3"[..], &random.bytes(length)].concat();
    send_form(story, address, content.into(), random)
}

/// A real recording, which becomes a transcript.
fn speaking<'a>(
    story: &'a Story,
    address: SocketAddr,
    random: &mut Random,
    number: u64,
) -> io::Result<Client<'a>> {
    let content = recording(number);
    let mut client = Client::create(story, address, RECORDING, content, 0, Length::First, random)?;
    while !client.is_finished() {
        client.patch(random.between(50_000, 150_000))?;
    }
    Ok(client)
}

/// A request that lasts, looked at from beside, while a sweep takes away what
/// is idle: neither this one nor anything that was not idle.
fn slow(
    story: &Story,
    address: SocketAddr,
    state_dir: &Path,
    random: &mut Random,
) -> io::Result<()> {
    let mut idle = Vec::new();
    for first in [0, 5000] {
        let content = random.bytes(20_000).into();
        idle.push(Client::create(
            story,
            address,
            "idle",
            content,
            first,
            Length::First,
            random,
        )?);
    }
    let content = random.bytes(300_000).into();
    let mut client = Client::create(story, address, "slow", content, 0, Length::First, random)?;
    let mut beside = Client::again(story, address, &client.id, Arc::default());
    let id = client.id.clone();
    let mut looks = 0;
    client.patch_slowly(SLOW, || {
        // By the first look the daemon has begun to take the bytes, or it
        // answers HEAD from what it has: either way the next ones see it held.
        beside.head().expect("HEAD beside a PATCH");
        looks += 1;
        if looks == 1 {
            until("the daemon holds the slow upload", || {
                is_locked(state_dir, &id).then_some(())
            });
            story.held(&id);
        }
        if looks == 90 {
            story.sweeping(SWEEP_EXPIRY, || sweep(state_dir));
            for idle in &idle {
                let path = format!("{FILES}{}", idle.id);
                request(address, "HEAD", &path, &[RESUMABLE], None)
                    .expect("an answer to HEAD")
                    .expect(404, "an upload that has expired");
                story.mark(&idle.id, Event::Gone);
            }
        }
    })?;
    story.released(&id);
    assert!(client.head()?, "the slow upload is there");
    Ok(())
}

/// The daemon is killed while clients are busy, started again, and asked about
/// everything at once: what it tells then counts as well.
fn kill_in_the_middle(story: &Story, daemon: &mut Daemon, random: &mut Random) {
    let address = daemon.address();
    let recording_number = random.below(2) as u64;
    let mut numbers = || random.fork();
    let mut makers = [numbers(), numbers(), numbers()];
    let mut speaker = numbers();
    let until_kill = Duration::from_millis(random.between(100, 700) as u64);
    scope(|threads| {
        for random in &mut makers {
            // They end when their daemon is gone.
            threads.spawn(|| while busy(story, address, random).is_ok() {});
        }
        threads.spawn(|| speaking(story, address, &mut speaker, recording_number).map(drop));
        sleep(until_kill);
        daemon.kill9();
    });
    daemon.start_again();
    look_at_everything(story, daemon.address());
}

fn busy(story: &Story, address: SocketAddr, random: &mut Random) -> io::Result<()> {
    match random.below(6) {
        0 => removing(story, address, random),
        3 => in_a_form(story, address, random),
        1 | 2 => joining(story, address, random),
        _ => {
            let told = match random.one_in(8) {
                true => Length::Last,
                false => Length::First,
            };
            let mut client = some_upload(story, address, random, 30_000, told)?;
            while !client.is_finished() {
                client.patch(random.between(1, 20_000))?;
            }
            Ok(())
        }
    }
}

/// After a crash of the daemon alone nothing may be missing either.
fn look_at_everything(story: &Story, address: SocketAddr) {
    let expected = story.expected(usize::MAX);
    for (id, content) in story.contents() {
        let expected = expected.get(&id).cloned().unwrap_or_default();
        let response = head_of(address, &id);
        match (response.status, expected.told) {
            (404, None) => continue,
            (404, Some(_)) if expected.may_be_gone => continue,
            (200, told) if !expected.gone => {
                let offset = response.number("upload-offset").expect("Upload-Offset");
                if response.header("upload-length").is_some() {
                    story.mark(&id, Event::Measured);
                }
                story.mark(&id, Event::Told(offset));
                assert!(
                    told <= Some(offset),
                    "{id} went back to {offset}: {expected:?}"
                );
                let client = Client::again(story, address, &id, content);
                client.look_at_task().expect("an answer");
            }
            (status, _) => panic!("{id} after kill -9: {status}, {expected:?}"),
        }
    }
}

/// A new upload of up to that many bytes, maybe with its first ones.
fn some_upload<'a>(
    story: &'a Story,
    address: SocketAddr,
    random: &mut Random,
    most_bytes: usize,
    told: Length,
) -> io::Result<Client<'a>> {
    let length = random.between(1, most_bytes);
    let content: Arc<[u8]> = random.bytes(length).into();
    let first = match random.one_in(2) {
        true => random.below(length.min(50_000) + 1),
        false => 0,
    };
    Client::create(story, address, "noise", content, first, told, random)
}

/// Its file name tells a recording from noise.
const RECORDING: &str = "recording.wav";

/// A few spoken words.
fn recording(number: u64) -> Arc<[u8]> {
    let script = Script {
        phrases: 2,
        ..Script::short(VOICES[number as usize], 40 + number)
    };
    speech::speak(script).bytes().into()
}

/// The recordings that were received and are still there.
pub fn recordings_of(story: &Story) -> Vec<(String, Arc<[u8]>)> {
    let expected = story.expected(usize::MAX);
    let contents = story.contents().into_iter();
    contents
        .filter(|(id, content)| {
            let upload = &expected[id];
            content.starts_with(b"RIFF")
                && upload.told == Some(content.len() as u64)
                && !upload.may_be_gone
        })
        .collect()
}

fn is_locked(state_dir: &Path, id: &str) -> bool {
    let path = state_dir.join("uploads").join(id).join("offset");
    let file = std::fs::File::options().write(true).open(path);
    !scribed::store::lock::try_lock(file.expect("an offset record")).expect("a lock")
}

fn sweep(state_dir: &Path) {
    let output = Command::new(PROGRAM)
        .arg("sweep")
        .arg("--state-dir")
        .arg(state_dir)
        .env("SCRIBED_UPLOAD_IDLE_EXPIRY", "3s")
        .output()
        .expect("the sweep runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sweep: {stderr}");
    print!("{}", String::from_utf8_lossy(&output.stdout));
}
