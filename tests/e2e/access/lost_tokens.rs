//! A tokens file that is lost opens nothing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::fixtures::tokens;
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::http::{Response, request};
use crate::support::waiting::until;

fn list(daemon: &Daemon, token: Option<&str>) -> Response {
    let token = token.map(|token| format!("Bearer {token}"));
    let headers = token.as_deref().map(|value| ("Authorization", value));
    let headers: Vec<(&str, &str)> = headers.into_iter().collect();
    request(daemon.address(), "GET", "/task/all", &headers, None).unwrap()
}

/// Has the file read again, until a request without a token has this status.
fn reload(daemon: &Daemon, status: u16) {
    kill(daemon.pid(), Signal::SIGHUP).unwrap();
    until("the tokens are read again", || {
        (list(daemon, None).status == status).then_some(())
    });
}

#[track_caller]
fn expect_closed(daemon: &Daemon, token: &str) {
    for token in [None, Some(token), Some("x")] {
        let refused = list(daemon, token).expect(401, "the file is lost");
        let text = refused.text();
        for part in ["tokens file", "missing", "restore", "scribed tokens add"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(refused.header("www-authenticate").is_some());
    }
    until("the journal says it", || {
        let said = daemon.stderr();
        said.contains("all requests are refused").then_some(())
    });
}

#[test]
fn a_lost_tokens_file_closes_and_an_emptied_one_opens() {
    let mut daemon = tokens::daemon("");
    let file: PathBuf = daemon.state_dir().with_file_name("tokens");
    list(&daemon, None).expect(200, "a new installation");
    let phone = tokens::add(&daemon, &["phone"]);
    tokens::reload(&daemon);
    list(&daemon, Some(&phone)).expect(200, "with a token");
    let saved = fs::read(&file).unwrap();

    // At a reload.
    fs::remove_file(&file).unwrap();
    kill(daemon.pid(), Signal::SIGHUP).unwrap();
    until("no token counts", || {
        (list(&daemon, Some(&phone)).status == 401).then_some(())
    });
    expect_closed(&daemon, &phone);
    // At a start, also after a crash.
    daemon.kill9();
    daemon.start_again();
    daemon.wait_until_ready();
    expect_closed(&daemon, &phone);
    let check = Command::new(PROGRAM)
        .args(["check", "--config"])
        .arg(file.with_file_name("scribed.toml"))
        .env("SCRIBED_STATE_DIR", daemon.state_dir())
        .output()
        .unwrap();
    let report = String::from_utf8(check.stdout).unwrap();
    assert!(report.contains("PROBLEM  access: "), "{report}");

    // Restored, and a new one made.
    fs::write(&file, saved).unwrap();
    kill(daemon.pid(), Signal::SIGHUP).unwrap();
    until("the token counts again", || {
        (list(&daemon, Some(&phone)).status == 200).then_some(())
    });
    list(&daemon, None).expect(401, "without one");
    fs::remove_file(&file).unwrap();
    let tablet = tokens::add(&daemon, &["tablet"]);
    kill(daemon.pid(), Signal::SIGHUP).unwrap();
    until("the new token counts", || {
        (list(&daemon, Some(&tablet)).status == 200).then_some(())
    });
    list(&daemon, Some(&phone)).expect(401, "the old one");

    // The last one removed: as a new installation, also without the file.
    let (done, ..) = tokens::run(&daemon, &["remove", "tablet"]);
    assert!(done);
    reload(&daemon, 200);
    fs::remove_file(&file).unwrap();
    daemon.kill9();
    daemon.start_again();
    daemon.wait_until_ready();
    list(&daemon, None).expect(200, "as after the installation");
}

#[test]
fn a_tokens_file_that_cannot_be_read_opens_nothing() {
    let mut daemon = tokens::daemon("");
    let file = daemon.state_dir().with_file_name("tokens");
    let phone = tokens::add(&daemon, &["phone"]);
    tokens::reload(&daemon);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    kill(daemon.pid(), Signal::SIGHUP).unwrap();
    until("the journal says it", || {
        let said = daemon.stderr();
        said.contains("previous tokens stay valid").then_some(())
    });
    list(&daemon, Some(&phone)).expect(200, "as before");
    list(&daemon, None).expect(401, "as before");
    assert!(daemon.terminate().success());
    let folder = daemon.state_dir();
    let folder = folder.parent().unwrap();
    let refused = Daemon::command(folder).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("tokens file"),
        "{said}"
    );
}
