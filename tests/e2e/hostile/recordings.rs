//! Recordings that take all memory of what decodes them, or its life: each fails
//! at once and alone, with the reason; the engine keeps its model.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixtures::transcription::{assert_said, freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus;

/// The name of a process that decodes.
const DECODER: &str = "scribed-decode";

/// Most that an engine and all it starts may have, beside a model of 2 MB.
const MEMORY_MAX_KIB: u64 = 256 << 10;

/// An element of Matroska with a size of eight bytes.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (1_u64 << 56 | body.len() as u64).to_be_bytes();
    [id, &size, body].concat()
}

/// 4 MiB of PCM in one block, at a rate that quadruples what is decoded: within
/// every limit of a reader, but together more than there may be.
fn huge_packet() -> Vec<u8> {
    let head = [
        element(&[0x42, 0x82], b"matroska"),
        element(&[0x42, 0x87], &[4]),
        element(&[0x42, 0x85], &[2]),
    ];
    let audio = [
        element(&[0xb5], &4000_f64.to_be_bytes()),
        element(&[0x9f], &[1]),
        element(&[0x62, 0x64], &[8]),
    ];
    let track = [
        element(&[0xd7], &[1]),
        element(&[0x73, 0xc5], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_PCM/INT/LIT"),
        element(&[0xe1], &audio.concat()),
    ];
    let tone = [0x90, 0x55, 0x10, 0xa0].repeat((1 << 20) - 64);
    let block = [&[0x81, 0, 0, 0x80], &tone[..]].concat();
    let cluster = [element(&[0xe7], &[0]), element(&[0xa3], &block)];
    let segment = [
        element(
            &[0x15, 0x49, 0xa9, 0x66],
            &element(&[0x2a, 0xd7, 0xb1], &[0x0f, 0x42, 0x40]),
        ),
        element(
            &[0x16, 0x54, 0xae, 0x6b],
            &element(&[0xae], &track.concat()),
        ),
        element(&[0x1f, 0x43, 0xb6, 0x75], &cluster.concat()),
    ];
    [
        element(&[0x1a, 0x45, 0xdf, 0xa3], &head.concat()),
        element(&[0x18, 0x53, 0x80, 0x67], &segment.concat()),
    ]
    .concat()
}

/// CAF whose description claims so many bytes and frames in a packet, and as many
/// channels.
fn caf(kind: &[u8; 4], packet_bytes: u32, packet_frames: u32, channels: u32) -> Vec<u8> {
    let words = [0, packet_bytes, packet_frames, channels, 16];
    let description = [
        &8000_f64.to_be_bytes()[..],
        kind,
        &words.map(u32::to_be_bytes).concat(),
    ];
    [
        &b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20"[..],
        &description.concat(),
        b"data\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        &[0x55; 340],
    ]
    .concat()
}

/// AIFF with so many channels.
fn aiff(channels: u16) -> Vec<u8> {
    let common = [
        &channels.to_be_bytes()[..],
        &[0, 0, 0x10, 0, 0, 16],
        b"\x40\x0b\xfa\0\0\0\0\0\0\0",
    ]
    .concat();
    let sound = [0x55; 38_000];
    [
        &b"FORM\0\0\x95\0AIFFCOMM\0\0\0\x12"[..],
        &common,
        b"SSND\0\0\x94\x78\0\0\0\0\0\0\0\0",
        &sound,
    ]
    .concat()
}

/// What each is called, and the words of its failure.
fn bombs() -> Vec<(String, Vec<u8>, &'static str)> {
    let mut bombs = vec![
        (
            "huge.mkv".to_owned(),
            huge_packet(),
            "its decoder needed more than 80 MiB of memory",
        ),
        (
            "frames.caf".to_owned(),
            caf(b"ima4", 34, 1 << 26, 1),
            "it claims 67108864 frames in a packet",
        ),
        (
            "blocks.caf".to_owned(),
            caf(b"ima4", 1 << 31, 64, 1),
            "in packets of 64 frames and 2147483648 bytes",
        ),
        (
            "channels.caf".to_owned(),
            caf(b"lpcm", 2, 1, 65_535),
            "it claims 65535 channels",
        ),
        (
            "channels.aiff".to_owned(),
            aiff(65_535),
            "it claims 65535 channels",
        ),
    ];
    // Those that once took gigabytes.
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech/hostile");
    for (name, words) in [
        ("caf67108864.caf", "it claims 67108864 frames"),
        ("crash-2-39882--6-c.caf", "frames in a packet"),
        ("vb8.ogg", "Vorbis codebooks are larger than any"),
        ("vb64.ogg", "Vorbis codebooks are larger than any"),
    ] {
        if let Ok(content) = fs::read(shared.join(name)) {
            bombs.push((name.to_owned(), content, words));
        }
    }
    bombs
}

/// Processes that decode for this engine and what they started, or all memory of
/// them and of the engine at this moment.
struct Family {
    decoders: Vec<i32>,
    resident_kib: u64,
}

fn family(engine: i32) -> Family {
    let mut known = vec![engine];
    let mut decoders = Vec::new();
    let mut resident_kib = 0;
    let mut statuses: Vec<(i32, i32, String, u64)> = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // It may have ended.
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default()
                .trim()
                .trim_end_matches(" kB")
                .to_owned()
        };
        let parent = field("PPid:").parse().unwrap_or(0);
        statuses.push((
            pid,
            parent,
            field("Name:"),
            field("VmRSS:").parse().unwrap_or(0),
        ));
    }
    // Children of children, two generations deep.
    for _ in 0..3 {
        for (pid, parent, _, _) in &statuses {
            if known.contains(parent) && !known.contains(pid) {
                known.push(*pid);
            }
        }
    }
    for (pid, _, name, kib) in statuses {
        if known.contains(&pid) {
            resident_kib += kib;
            if name == DECODER {
                decoders.push(pid);
            }
        }
    }
    Family {
        decoders,
        resident_kib,
    }
}

#[test]
fn recordings_that_take_all_memory_fail_at_once_and_alone() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let engine = daemon.engine();
    let is_done = AtomicBool::new(false);
    let peak_kib = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let now = family(engine.id()).resident_kib;
                peak_kib.fetch_max(now, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        for (name, content, words) in bombs() {
            let upload = tus::upload(address, &name, &content);
            let error = task::failure(address, upload.id());
            assert!(error.contains(words), "{name}: {error}");
            println!("{name}: {error}");
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let peak_kib = peak_kib.into_inner();
    println!("{peak_kib} KiB");
    assert!(peak_kib < MEMORY_MAX_KIB, "{peak_kib} KiB");

    // The engine is the same and has its model still.
    assert!(engine.lives() && daemon.engine() == engine);
    let spoken = speech::speak(Script::short(VOICES[0], 41));
    let upload = tus::upload(address, "a.wav", &spoken.bytes());
    assert_said(address, upload.id(), &spoken);
    let said = daemon.stderr();
    assert_eq!(said.matches("loading model").count(), 1, "{said}");
    let jobs = said.matches(" bytes\n").count();
    assert_eq!(jobs, bombs().len() + 1, "each was tried once: {said}");
    assert!(family(engine.id()).decoders.is_empty());
}

#[test]
fn a_decoder_that_dies_fails_its_recording_and_nothing_else() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let spoken = long_recording();
    let upload = tus::upload(address, "long.wav", &spoken.bytes());
    // The decoder waits for the engine, which is frozen.
    let engine = freeze_engine_in(&mut daemon, upload.id());
    let decoders = family(engine.id()).decoders;
    assert_eq!(decoders.len(), 1, "{decoders:?}");
    kill(Pid::from_raw(decoders[0]), Signal::SIGKILL).unwrap();
    engine.signal(Signal::SIGCONT);
    let error = task::failure(address, upload.id());
    assert!(error.contains("its decoder crashed (SIGKILL)"), "{error}");
    assert!(engine.lives() && daemon.engine() == engine);

    // One whose engine is killed dies, too.
    let other = tus::upload(address, "other.wav", &spoken.bytes());
    let engine = freeze_engine_in(&mut daemon, other.id());
    let decoders = family(engine.id()).decoders;
    assert_eq!(decoders.len(), 1, "{decoders:?}");
    engine.signal(Signal::SIGKILL);
    crate::support::waiting::until("the decoder dies with the engine", || {
        let status = fs::read_to_string(format!("/proc/{}/status", decoders[0]));
        (!status.unwrap_or_default().contains(DECODER)).then_some(())
    });
    assert_said(address, other.id(), &spoken);
}
