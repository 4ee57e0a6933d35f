//! Starts that go wrong: what the daemon can work without is reported, the rest
//! ends with exit code 1 and one clear line.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use uuid::Uuid;

use crate::support::daemon::{Daemon, run_to_end};
use crate::support::http::get;
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus;
use crate::support::waiting::until;

const DEMO_MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/packaging/demo-model/ggml-demo.bin"
);

#[test]
fn a_damaged_model_is_named_and_the_daemon_lives() {
    let demo = fs::read(DEMO_MODEL).unwrap();
    for (name, content) in [
        ("garbage", b"this is no model\n".repeat(1000)),
        ("empty", Vec::new()),
        ("magic", [&demo[..4], &[0xa5; 20_000]].concat()),
        ("header", [&demo[..48], &[0xa5; 20_000]].concat()),
        ("half", demo[..demo.len() / 2].to_vec()),
    ] {
        let folder = Daemon::folder();
        let model = folder.path().join(format!("models/ggml-{name}.bin"));
        fs::write(&model, content).unwrap();
        let mut daemon = Daemon::start_unready(folder, &[]);
        let address = daemon.address();

        until("the daemon reports the model", || {
            let response = get(address, "/health/ready").expect(503, "not ready");
            response.json();
            response.text().contains(name).then_some(())
        });
        let spoken = speech::speak(Script::short(VOICES[0], 1));
        let upload = tus::upload(address, "a.wav", &spoken.bytes());
        let error = task::failure(address, upload.id());
        println!("{name}: {error}");
        assert!(error.contains(name), "{error}");
        assert!(error.to_lowercase().contains("model"), "{error}");
        get(address, "/health/live").expect(200, "live");
        daemon.assert_alive();
    }
}

#[test]
fn a_fifo_or_a_link_in_the_state_directory_does_not_hold_up_the_start() {
    let mut daemon = Daemon::start();
    let spoken = speech::speak(Script::short(VOICES[0], 1));
    let upload = tus::upload(daemon.address(), "a.wav", &spoken.bytes());
    let transcript = task::transcript(daemon.address(), upload.id());
    daemon.kill9();
    let uploads = daemon.state_dir().join("uploads");
    let folder = uploads.join(upload.id());
    // Beside the files of a good upload, and in place of one of a foreign upload.
    mkfifo(&folder.join("foreign"), Mode::S_IRWXU).unwrap();
    for (id, name) in [(Uuid::new_v4(), "offset"), (Uuid::new_v4(), "upload.json")] {
        let foreign = uploads.join(id.to_string());
        fs::create_dir(&foreign).unwrap();
        for other in ["offset", "upload.json", "data"] {
            if other != name {
                fs::copy(folder.join(other), foreign.join(other)).unwrap();
            }
        }
        mkfifo(&foreign.join(name), Mode::S_IRWXU).unwrap();
    }
    let link = uploads.join(Uuid::new_v4().to_string());
    std::os::unix::fs::symlink(&folder, link).unwrap();

    daemon.start_again();
    daemon.wait_until_ready();
    assert_eq!(task::transcript(daemon.address(), upload.id()), transcript);
    assert_eq!(task::count(daemon.address()), 1);
    let damaged = fs::read_dir(daemon.state_dir().join("damaged")).unwrap();
    assert_eq!(damaged.count(), 3, "{}", daemon.stderr());
    let named = daemon.stderr().matches("is set aside").count();
    assert_eq!(named, 3, "{}", daemon.stderr());
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Daemon::folder();
    let mut command = plain_command(folder.path(), &address);
    assert_ends_with_one_line(&mut command, &[&address, "in use"]);
}

#[test]
fn a_state_directory_in_use_is_named() {
    let daemon = Daemon::start_unready(Daemon::folder(), &[]);
    let state_dir = daemon.state_dir();
    let mut second = plain_command(state_dir.parent().unwrap(), "127.0.0.1:0");
    assert_ends_with_one_line(
        &mut second,
        &["another scribed", &state_dir.to_string_lossy()],
    );
    get(daemon.address(), "/health/live").expect(200, "the first one goes on");
}

#[test]
fn a_state_directory_that_cannot_be_is_named() {
    let folder = Daemon::folder();
    let state = folder.path().join("state");
    fs::write(&state, "a file in its place").unwrap();
    let mut command = Daemon::command(folder.path());
    assert_ends_with_one_line(&mut command, &[state.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(state).unwrap(), "a file in its place");
}

#[test]
fn a_missing_io_uring_is_named_with_what_switches_it_off() {
    let folder = Daemon::folder();
    let mut command = Daemon::command(folder.path());
    // SAFETY: `forbid_io_uring` only makes two system calls and allocates
    // nothing, so it may run between fork and exec.
    unsafe { command.pre_exec(forbid_io_uring) };
    assert_ends_with_one_line(&mut command, &["io_uring", "io_uring_disabled", "seccomp"]);
}

/// The command that serves from `folder` at that address only.
fn plain_command(folder: &Path, address: &str) -> Command {
    let template = Daemon::command(folder);
    let mut command = Command::new(template.get_program());
    let listen = |argument: &std::ffi::OsStr| match argument.to_str() {
        Some("127.0.0.1:0") => address.into(),
        _ => argument.to_owned(),
    };
    command.args(template.get_args().map(listen));
    for (name, value) in template.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stderr(std::process::Stdio::piped());
    command
}

#[track_caller]
fn assert_ends_with_one_line(command: &mut Command, names: &[&str]) {
    let (status, stderr) = run_to_end(command);
    println!("{stderr}");
    assert_eq!(status.code(), Some(1), "{status}: {stderr}");
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    for name in names {
        assert!(lines[0].contains(name), "{name:?} in {stderr}");
    }
}

/// Makes io_uring_setup(2) fail with EPERM in this process from now on, as
/// `kernel.io_uring_disabled` and the seccomp filters of containers do.
fn forbid_io_uring() -> io::Result<()> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
        libc::sock_filter { code, jt, jf, k }
    }
    let mut steps = [
        step(LOAD, 0, 0, 0), // the number of the system call
        step(JUMP_IF_EQUAL, libc::SYS_io_uring_setup as u32, 0, 1),
        step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: prctl(2) with a filter that outlives the call.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[test]
fn the_filter_forbids_io_uring_and_nothing_else() {
    let ran = |filtered: bool| {
        let mut command = Command::new("sh");
        command.args(["-c", "grep '^Seccomp:' /proc/self/status"]);
        if filtered {
            // SAFETY: as above.
            unsafe { command.pre_exec(forbid_io_uring) };
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ran(true).trim_end(), "Seccomp:\t2");
    ran(false);
}
