//! What `/health/ready` and the page at `/` show to whom.

use std::fs;

use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{get, request};
use crate::support::waiting::until;

#[test]
fn the_reason_why_nothing_is_transcribed_is_for_those_with_a_token() {
    let folder = Daemon::folder();
    fs::write(folder.path().join("models/ggml-garbage.bin"), "no model").unwrap();
    let config = format!("[auth]\ntokens_file = {:?}", folder.path().join("tokens"));
    fs::write(folder.path().join("scribed.toml"), config).unwrap();
    let daemon = Daemon::start_unready(folder, &[]);
    let address = daemon.address();
    until("the model is reported on this machine", || {
        let ready = get(address, "/health/ready").expect(503, "no model");
        ready.text().contains("ggml-garbage.bin").then_some(())
    });
    let token = format!("Bearer {}", tokens::add(&daemon, &["phone"]));
    tokens::reload(&daemon);
    for (authorization, is_told) in [
        (None, false),
        (Some("Bearer x"), false),
        (Some(&*token), true),
    ] {
        let headers = authorization.map(|value| ("Authorization", value));
        let headers: Vec<(&str, &str)> = headers.into_iter().collect();
        let ready = request(address, "GET", "/health/ready", &headers, None).unwrap();
        let ready = ready.expect(503, "no model").text();
        assert_eq!(ready.contains("garbage"), is_told, "{ready}");
        assert_eq!(ready.contains('/'), is_told, "a path: {ready}");
        assert!(is_told || ready.contains("access token"), "{ready}");
    }
}

#[test]
fn the_model_is_named_to_those_with_a_token() {
    let daemon = tokens::daemon("");
    let address = daemon.address();
    let before = get(address, "/health/ready")
        .expect(200, "from this machine")
        .json();
    assert!(before["model"].is_object(), "{before}");
    tokens::add(&daemon, &["phone"]);
    tokens::reload(&daemon);
    let after = get(address, "/health/ready")
        .expect(200, "from anywhere")
        .json();
    assert!(after["model"].is_null(), "{after}");
    assert_eq!(after["status"], "ok");
}
