//! A machine without ffmpeg: what only ffmpeg can decode is refused by name, with
//! what to do; what else there is in the file is transcribed.

use std::process::Command;

use nix::unistd::geteuid;

use crate::fixtures::difference::Difference;
use crate::fixtures::encodings::{Encoding, encode, sound};
use crate::support::daemon::{Daemon, PROGRAM, run_under};
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::tus;

/// Runs the words behind it with a device in place of ffmpeg, for itself alone.
const WITHOUT: &str = "mount --bind /dev/null /usr/bin/ffmpeg && PATH=/usr/bin:/bin exec \"$@\"";

/// Before the words of a command that is to find no ffmpeg.
fn without_ffmpeg() -> Vec<&'static str> {
    let unshare: &[&str] = match geteuid().is_root() {
        true => &["unshare", "--mount"],
        false => &["unshare", "--map-root-user", "--mount"],
    };
    [unshare, &["sh", "-c", WITHOUT, "sh"]].concat()
}

/// How it is made, and what it is called in the message.
const REFUSED: [(Encoding, &str); 7] = [
    (sound("wma", "wma", "-c:a wmav2"), "Windows Media"),
    (sound("avi", "avi", "-c:a libmp3lame -ar 44100"), "AVI"),
    (
        sound("ts", "ts", "-c:a mp2 -ar 48000"),
        "an MPEG transport stream",
    ),
    (
        sound("ac3", "ac3", "-c:a ac3 -ar 48000"),
        "AC-3 (Dolby Digital)",
    ),
    (
        sound("ac3 in mkv", "mkv", "-c:a ac3 -ar 48000"),
        "mkv with AC-3 (Dolby Digital)",
    ),
    (
        sound("gsm in wav", "wav", "-c:a libgsm_ms -ar 8000"),
        "wav with GSM 6.10",
    ),
    (
        sound("5.1", "m4a", "-c:a aac -ar 48000 -ac 6"),
        "mp4 with aac with 6 channels",
    ),
];

fn spoken() -> Spoken {
    speech::speak(Script::short(VOICES[0], 77))
}

#[test]
fn what_needs_ffmpeg_is_refused_by_name_and_says_what_to_do() {
    let daemon = Daemon::start_changed(Daemon::folder(), |command| {
        run_under(command, &without_ffmpeg());
    });
    for (encoding, name) in REFUSED {
        let file = encode(&spoken(), encoding);
        let upload = tus::upload(
            daemon.address(),
            &format!("a.{}", encoding.extension),
            &file.bytes(),
        );
        let error = task::failure(daemon.address(), upload.id());
        assert!(error.contains(name), "{name}: {error}");
        assert!(error.contains("apt install ffmpeg"), "{name}: {error}");

        // And on the command line, in one line.
        for subcommand in ["probe", "transcribe"] {
            let mut scribed = Command::new(PROGRAM);
            scribed.arg(subcommand).arg(&file.file);
            if subcommand == "transcribe" {
                scribed.args(["--models-dir", "/nonexistent"]);
            }
            run_under(&mut scribed, &without_ffmpeg());
            let output = scribed.output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                output.status.code(),
                Some(1),
                "{subcommand} {name}: {stderr}"
            );
            let line = stderr.lines().last().unwrap();
            assert!(line.contains(name), "{subcommand} {name}: {stderr}");
            assert!(
                line.contains("apt install ffmpeg"),
                "{subcommand} {name}: {stderr}"
            );
        }
    }
}

#[test]
fn another_track_that_can_be_read_is_transcribed_instead() {
    let daemon = Daemon::start_changed(Daemon::folder(), |command| {
        run_under(command, &without_ffmpeg());
    });
    let both = sound(
        "two codecs",
        "mkv",
        "-map 0 -map 0 -c:a:0 ac3 -c:a:1 aac -ar 48000 -disposition:a:0 default",
    );
    let spoken = spoken();
    let upload = tus::upload(daemon.address(), "film.mkv", &encode(&spoken, both).bytes());
    let task = task::ended(daemon.address(), upload.id());
    let metadata = &task["metadata"];
    let warning = metadata["warning"].as_str().unwrap_or_default();
    assert!(warning.contains("track 1 is coded as AC-3"), "{task}");
    assert!(warning.contains("apt install ffmpeg"), "{task}");
    assert_eq!(metadata["audio"]["track"], 2, "{task}");
    assert_eq!(metadata["audio"]["decoder"], "symphonia", "{task}");
    let heard = task::segments(&task["result"]);
    let difference = Difference::of(&spoken.phrases, &heard);
    assert_eq!(difference.words.wrong, 0, "{task}");
    assert!(difference.off_s < 0.5, "{difference:?}");
}
