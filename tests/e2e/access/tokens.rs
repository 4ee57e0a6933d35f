//! Access tokens: authentication, ownership, and the answers to requests without
//! a valid one.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fixtures::listener::Listener;
use crate::fixtures::tokens::{add, daemon, reload, run};
use crate::support::daemon::PROGRAM;
use crate::support::http::{Response, request};
use crate::support::tus::{CONTENT, FILES, RESUMABLE, location_path};
use crate::support::waiting::until;

fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    more: &[(&str, &str)],
) -> Response {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = more.to_vec();
    headers.extend(
        authorization
            .as_deref()
            .map(|value| ("Authorization", value)),
    );
    let body = matches!(method, "POST" | "PATCH").then_some(&b""[..]);
    request(address, method, path, &headers, body).unwrap()
}

fn create(address: SocketAddr, token: Option<&str>) -> Response {
    ask(
        address,
        "POST",
        FILES,
        token,
        &[RESUMABLE, ("Upload-Length", "0")],
    )
}

#[test]
fn without_tokens_only_this_machine_is_served() {
    let daemon = daemon("");
    let address = daemon.address();
    create(address, None).expect(201, "from this machine");
    for header in ["X-Forwarded-For", "Forwarded"] {
        let proxied = [(header, "192.168.1.9")];
        let refused = ask(address, "GET", "/task/all", None, &proxied).expect(403, header);
        assert!(
            refused.text().contains("scribed tokens add"),
            "{}",
            refused.text()
        );
    }
}

#[test]
fn a_token_is_needed_and_only_hashes_are_kept() {
    let daemon = daemon("");
    let address = daemon.address();
    let phone = add(&daemon, &["phone"]);
    let (done, _, stderr) = run(&daemon, &["add", "phone"]);
    assert!(
        !done && stderr.contains("there is a token named `phone`"),
        "{stderr}"
    );
    let (_, list, _) = run(&daemon, &["list"]);
    assert!(
        list.starts_with("phone\tuser\t") && !list.contains(&phone),
        "{list}"
    );
    let file = std::fs::read_to_string(daemon.state_dir().with_file_name("tokens")).unwrap();
    assert!(!file.contains(&phone), "{file}");

    reload(&daemon);
    for (method, path) in [
        ("POST", FILES),
        ("OPTIONS", FILES),
        ("GET", "/task/all"),
        ("GET", "/nothing"),
    ] {
        for (token, challenge) in [
            (None, "Bearer realm=\"scribed\""),
            (Some("x"), "invalid_token"),
        ] {
            let refused = ask(address, method, path, token, &[RESUMABLE]).expect(401, path);
            let header = refused.header("www-authenticate").unwrap();
            assert!(header.contains(challenge), "{header}");
            assert!(
                refused.text().contains("scribed tokens add"),
                "{}",
                refused.text()
            );
        }
        let admitted = ask(address, method, path, Some(&phone), &[RESUMABLE]);
        assert_ne!(admitted.status, 401, "{method} {path}");
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        ask(address, "GET", path, None, &[]).expect(200, path);
    }
    for _ in 0..20 {
        ask(address, "GET", "/task/all", Some("x"), &[]);
    }
    let limited = ask(address, "GET", "/task/all", Some("x"), &[]).expect(429, "many wrong tokens");
    assert!(
        limited
            .number("retry-after")
            .is_some_and(|wait_s| wait_s <= 60)
    );
    ask(address, "GET", "/task/all", Some(&phone), &[]).expect(200, "the right one all the same");

    let bearer = format!("Bearer {phone}");
    let id = uuid::Uuid::new_v4().to_string();
    let mut listener = Listener::socket(address, &id, &[("Authorization", &bearer)]);
    listener.news();
    let (done, ..) = run(&daemon, &["remove", "phone"]);
    assert!(done);
    add(&daemon, &["recorder"]);
    reload(&daemon);
    until("the removed one counts no more", || {
        let status = ask(address, "GET", "/task/all", Some(&phone), &[]).status;
        (status != 200).then_some(())
    });
    let unwelcome = listener.up_to("error").pop().unwrap();
    assert_eq!(unwelcome["error_code"], "ACCESS_REVOKED", "{unwelcome}");
    assert_eq!(listener.next(), None);
}

#[test]
fn what_a_token_made_is_its_own() {
    let daemon = daemon("");
    let address = daemon.address();
    let mine = add(&daemon, &["mine"]);
    let other = add(&daemon, &["other"]);
    let boss = add(&daemon, &["boss", "--admin"]);
    reload(&daemon);

    let created = create(address, Some(&mine)).expect(201, "a finished upload");
    let finished = location_path(&created);
    let id = finished.rsplit('/').next().unwrap().to_owned();
    let length = [RESUMABLE, ("Upload-Length", "10")];
    let created =
        ask(address, "POST", FILES, Some(&mine), &length).expect(201, "an unfinished one");
    let unfinished = location_path(&created);

    let patch = [RESUMABLE, CONTENT, ("Upload-Offset", "0")];
    let task = format!("/task/{id}");
    let transcript = format!("/task/{id}/transcript");
    let progress = format!("/tasks/{id}/progress");
    let uploading = format!("/tasks/{}/progress", unfinished.rsplit('/').next().unwrap());
    for (method, path) in [
        ("GET", &finished),
        ("GET", &unfinished),
        ("HEAD", &unfinished),
        ("PATCH", &unfinished),
        ("DELETE", &unfinished),
        ("DELETE", &finished),
        ("GET", &task),
        ("GET", &transcript),
        ("GET", &progress),
        ("GET", &uploading),
        ("DELETE", &task),
        ("POST", &format!("{task}/retry")),
    ] {
        ask(address, method, path, Some(&other), &patch).expect(404, &format!("{method} {path}"));
    }
    let count = |token: &str| {
        let list: Value = ask(address, "GET", "/task/all", Some(token), &[]).json();
        list["total"].as_u64().unwrap()
    };
    assert_eq!([&mine, &other, &boss].map(|token| count(token)), [1, 0, 1]);
    for token in [&mine, &boss] {
        ask(address, "HEAD", &unfinished, Some(token), &patch).expect(200, "HEAD");
        ask(address, "GET", &task, Some(token), &[]).expect(200, "GET");
        ask(address, "GET", &finished, Some(token), &[]).expect(200, "GET");
    }
    for path in ["/speech-to-text", "/upload/stream"] {
        let form = [("Content-Type", "multipart/form-data; boundary=b")];
        ask(address, "POST", path, None, &form).expect(401, path);
        ask(address, "POST", path, Some(&mine), &form).expect(400, path);
    }
    ask(address, "DELETE", &task, Some(&boss), &[]).expect(200, "an admin deletes");
    ask(address, "DELETE", &unfinished, Some(&mine), &[RESUMABLE]).expect(204, "the owner deletes");
}

#[test]
fn open_means_the_named_networks() {
    let open = daemon("mode = 'open'\nnetworks = ['127.0.0.0/8']");
    create(open.address(), None).expect(201, "from the network");
    let elsewhere = daemon("mode = 'open'\nnetworks = ['192.168.0.0/16']");
    let refused = create(elsewhere.address(), None).expect(403, "from elsewhere");
    assert!(refused.text().contains("127.0.0.1"), "{}", refused.text());
}

#[test]
fn send_takes_its_token_from_a_file_or_the_environment() {
    let daemon = daemon("");
    let folder = daemon.state_dir().with_file_name("sender");
    std::fs::create_dir(&folder).unwrap();
    let token = add(&daemon, &["phone"]);
    reload(&daemon);
    std::fs::write(folder.join("token"), format!("{token}\n")).unwrap();
    std::fs::write(folder.join("notes.txt"), "no recording").unwrap();
    let to = format!("http://{}", daemon.address());
    let send = |folder: &Path, more: &[&str], variable: Option<&str>| {
        let mut command = Command::new(PROGRAM);
        command
            .args(["send", "notes.txt", "--to", &to])
            .args(more)
            .current_dir(folder);
        command
            .env("XDG_STATE_HOME", folder)
            .env_remove("SCRIBED_TOKEN");
        command.envs(variable.map(|token| ("SCRIBED_TOKEN", token)));
        command.output().unwrap()
    };
    assert!(
        send(&folder, &["--token-file", "token"], None)
            .status
            .success()
    );
    assert!(send(&folder, &[], Some(&token)).status.success());
    let refused = send(&folder, &[], None);
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(
        stderr.contains("401") && stderr.contains("scribed tokens add"),
        "{stderr}"
    );
}
