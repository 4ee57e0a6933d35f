//! Forms whose connection is cut or silent before their end.

use super::support::{SPEECH, STREAM, file, post};
use crate::fixtures::form::{FORM, NOISE, part};
use crate::fixtures::leftovers::{assert_nothing_left, folders};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Cut};
use crate::support::waiting::until;

/// Announces a large recording and sends some of it.
fn begun(daemon: &Daemon) -> Connection {
    let mut connection = Connection::open(daemon.address()).unwrap();
    let announced = Some(300 << 20);
    connection
        .send_head("POST", SPEECH, &[FORM], announced)
        .unwrap();
    let content = NOISE.repeat(400_000);
    let body = part("; name=\"file\"; filename=\"a.mp3\"", &content);
    connection.send(&body).unwrap();
    connection
}

fn being_taken_in(daemon: &Daemon) -> Connection {
    let connection = begun(daemon);
    until("it is being taken in", || {
        (folders(&daemon.state_dir()) == 1).then_some(())
    });
    connection
}

#[test]
fn nothing_is_left_of_a_recording_that_does_not_come_to_its_end() {
    let mut daemon = Daemon::start();
    for how in [Cut::Close, Cut::Reset] {
        being_taken_in(&daemon).cut(how);
        assert_nothing_left(&daemon);
    }
    let running = being_taken_in(&daemon);
    assert!(daemon.terminate().success());
    daemon.start_again();
    drop(running);
    assert_nothing_left(&daemon);
    let running = being_taken_in(&daemon);
    daemon.kill9();
    assert_eq!(folders(&daemon.state_dir()), 1);
    daemon.start_again();
    drop(running);
    assert_nothing_left(&daemon);
    // Nor does it count as unfinished.
    post(daemon.address(), STREAM, &file(NOISE)).expect(200, "the next one");
}

#[test]
fn a_recording_that_stops_coming_is_answered_and_nothing_is_left() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '2s'"), &[]);
    let answer = begun(&daemon).receive("POST").unwrap();
    answer.expect(400, "a body that stops coming");
    assert_nothing_left(&daemon);
    // Before there is anything to look at.
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("POST", SPEECH, &[FORM], Some(1000))
        .unwrap();
    connection.send(b"--XX\r\n").unwrap();
    connection
        .receive("POST")
        .unwrap()
        .expect(408, "a form that does not begin");
    assert_nothing_left(&daemon);
}
