//! Programs that fail, hang or die.

use super::*;

#[test]
fn failures_are_described() {
    for (lines, expected) in [
        ("exit 3", "it ended with status 3"),
        (
            "echo '[error] no such luck' >&2; exit 1",
            "cannot decode the file: no such luck;",
        ),
        ("", "it contains no audio"),
        ("echo RIFFxxxxWAVE", "unexpected output"),
        (
            "while :; do echo '[error] again and again and again' >&2; done",
            "it was killed by SIGXCPU",
        ),
        (
            "while :; do echo -n xxxxxxxxxxxxxxxxxxxx >&2; done",
            "it was killed by SIGXCPU",
        ),
    ] {
        let (_folder, path) = fake_program(lines);
        let error = run(start_fake(&path, 1).unwrap()).err().unwrap();
        assert!(
            error.to_string().contains(expected),
            "{error}, not {expected}"
        );
    }
    let (_folder, path) = fake_program("echo 'libx.so: cannot open' >&2; exit 127");
    let error = run(start_fake(&path, 1).unwrap()).err().unwrap();
    assert!(matches!(&error, MediaError::FfmpegStart(_)), "{error}");
}

#[test]
fn start_failures_are_system_errors() {
    let (folder, path) = fake_program("");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    for (path, expected) in [
        (folder.path().join("absent"), io::ErrorKind::NotFound),
        (path, io::ErrorKind::PermissionDenied),
    ] {
        let error = start_fake(&path, 1).err().unwrap();
        assert!(
            matches!(&error, MediaError::FfmpegStart(error) if error.kind() == expected),
            "{error}"
        );
    }
}

#[test]
fn a_program_that_hangs_is_killed() {
    let (_folder, path) = fake_program("exec sleep 1000");
    let mut transcoder = start_fake(&path, 10).unwrap();
    transcoder.hang_limit = Duration::from_secs(1);
    let pid = transcoder.process.pid();
    let error = run(transcoder).err().unwrap();
    assert!(
        error.to_string().contains("it made no progress for 1 s"),
        "{error}"
    );
    assert!(kill(pid, None).is_err());
}

#[test]
fn a_killed_program_is_reported() {
    let file = made(&format!("{TONE}=900 -c:a ac3"), "long.ac3");
    let mut transcoder = Transcoder::start(&real(), &source(&file), OPTIONS).unwrap();
    let mut samples = Vec::new();
    while samples.is_empty() {
        transcoder.step(&mut samples);
    }
    kill(transcoder.process.pid(), Signal::SIGKILL).unwrap();
    let found = run(transcoder).unwrap();
    let early = found.trouble.stopped_early.unwrap();
    assert!(early.contains("it was killed by SIGKILL"), "{early}");
}

#[test]
fn dropping_it_reaps_the_process() {
    let file = made(&format!("{TONE}=900 -c:a ac3"), "long.ac3");
    let mut transcoder = Transcoder::start(&real(), &source(&file), OPTIONS).unwrap();
    let mut samples = Vec::new();
    while samples.is_empty() {
        transcoder.step(&mut samples);
    }
    let pid = transcoder.process.pid();
    assert!(kill(pid, None).is_ok());
    drop(transcoder);
    // Not even a zombie.
    assert!(kill(pid, None).is_err());
}

#[test]
fn it_dies_with_the_thread_that_started_it() {
    let (_folder, path) = fake_program("exec sleep 1000");
    let started = thread::spawn(move || start_fake(&path, 10).unwrap());
    let mut transcoder = started.join().unwrap();
    let status = transcoder.process.wait();
    assert_eq!(
        describe(status.unwrap()).unwrap(),
        "it was killed by SIGKILL"
    );
}
