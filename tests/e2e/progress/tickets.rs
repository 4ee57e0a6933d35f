//! Access to live progress: tickets, tokens, and the `Origin` of a page.

use std::net::SocketAddr;

use serde_json::json;
use uuid::Uuid;

use super::support::{assert_pong, is_progress};
use crate::fixtures::listener::{Listener, WAYS};
use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{self, Response, request};
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE};

fn ask(
    address: SocketAddr,
    token: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let authorization = format!("Bearer {token}");
    let headers = [headers, &[("Authorization", &*authorization)]].concat();
    request(address, "POST", path, &headers, Some(body.as_bytes())).unwrap()
}

/// `POST /api/ws/ticket`.
fn ticket(address: SocketAddr, token: &str, id: &str) -> Response {
    let body = json!({ "task_id": id }).to_string();
    ask(address, token, "/api/ws/ticket", &[], &body)
}

/// An upload of the holder of a token, of ten bytes.
fn upload_of(address: SocketAddr, token: &str, id: &str) {
    let metadata = tus::encode_metadata(&[("taskId", id)]);
    let headers = [
        RESUMABLE,
        ("Upload-Length", "10"),
        ("Upload-Metadata", &*metadata),
    ];
    ask(address, token, FILES, &headers, "").expect(201, "creation");
}

#[test]
fn a_ticket_lets_one_listener_in() {
    let daemon = tokens::daemon("");
    let address = daemon.address();
    let mine = tokens::add(&daemon, &["mine"]);
    let other = tokens::add(&daemon, &["other"]);
    tokens::reload(&daemon);
    let [id, another] = [1, 2].map(|_| Uuid::new_v4().to_string());
    ticket(address, &mine, &id).expect(404, "nothing is there");
    for id in [&id, &another] {
        upload_of(address, &mine, id);
        ticket(address, &other, id).expect(404, "of another token");
    }
    for wrong in ["", "{}", r#"{"task_id":"x"}"#, &"x".repeat(5000)] {
        ask(address, &mine, "/api/ws/ticket", &[], wrong).expect(422, wrong);
    }
    let with_ticket = |of: &str, to: &str| {
        let reply = ticket(address, &mine, of).expect(201, "a ticket").json();
        assert!(reply["expires_at"].is_string(), "{reply}");
        format!("{to}?ticket={}", reply["ticket"].as_str().unwrap())
    };

    let good = with_ticket(&id, &id);
    let mut socket = Listener::socket(address, &good, &[]);
    assert!(is_progress(&socket.news(), "uploading", 0.0));
    assert_pong(&mut socket);
    let good = with_ticket(&id, &id);
    let mut events = Listener::events(address, &good, &[]);
    assert!(is_progress(&events.news(), "uploading", 0.0));
    let header = [("Authorization", &*format!("Bearer {mine}"))];
    for listen in WAYS {
        listen(address, &id, &header).news();
    }

    for refused in [
        good,
        with_ticket(&another, &id),
        id.clone(),
        format!("{id}?ticket={}", Uuid::new_v4().simple()),
    ] {
        let mut socket = Listener::socket(address, &refused, &[]);
        assert_eq!(socket.close_code(), 1008, "{refused}");
        let (path, query) = refused.split_once('?').unwrap_or((&refused, ""));
        let path = format!("/task/{path}/events?{query}");
        http::get(address, &path).expect(401, &refused);
    }
    assert_pong(&mut socket);
}

#[test]
fn an_upload_of_another_token_looks_like_none() {
    let daemon = tokens::daemon("");
    let address = daemon.address();
    let [mine, other] = ["mine", "other"].map(|name| tokens::add(&daemon, &[name]));
    tokens::reload(&daemon);
    let id = Uuid::new_v4().to_string();
    let header = [("Authorization", &*format!("Bearer {other}"))];
    let mut early = Listener::socket(address, &id, &header);
    let nothing = early.news();
    let authorization = ("Authorization", &*format!("Bearer {mine}"));
    upload_of(address, &mine, &id);
    let mut late = Listener::socket(address, &id, &header);
    let mut foreign = late.news();
    foreign["timestamp"] = nothing["timestamp"].clone();
    assert_eq!(foreign, nothing);
    let path = format!("{FILES}{id}");
    let patch = [RESUMABLE, CONTENT, authorization, ("Upload-Offset", "0")];
    request(address, "PATCH", &path, &patch, Some(b"12345"))
        .unwrap()
        .expect(204, "PATCH");
    assert_pong(&mut early);
    assert_pong(&mut late);
    request(address, "DELETE", &path, &[RESUMABLE, authorization], None)
        .unwrap()
        .expect(204, "DELETE");
    assert_pong(&mut early);
    assert_pong(&mut late);

    // Now there is one of their own.
    upload_of(address, &other, &id);
    for listener in [&mut early, &mut late] {
        assert_eq!(listener.news()["message"], "uploading");
    }
}

#[test]
fn a_page_of_another_origin_opens_no_websocket() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\ncors_origins = []"), &[]);
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    let own = format!("http://{address}");
    for (origin, is_allowed) in [
        ("https://evil.example", false),
        ("null", false),
        (&own, true),
    ] {
        let mut socket = Listener::socket(address, &id, &[("Origin", origin)]);
        match is_allowed {
            true => assert_pong_after(&mut socket, "progress"),
            false => assert_eq!(socket.close_code(), 1008, "{origin}"),
        }
    }
}

#[track_caller]
fn assert_pong_after(socket: &mut Listener, first: &str) {
    assert_eq!(socket.news()["type"], first);
    assert_pong(socket);
}
