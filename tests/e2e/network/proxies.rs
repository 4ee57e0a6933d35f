//! Behind nginx, set up as scribed-proxy(7) says: uploads, who the client is, and
//! the `Location` of an upload.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::fixtures::nginx::Nginx;
use crate::fixtures::tokens;
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::http::{Connection, Cut, Response, request};
use crate::support::random::{Random, letters, seed};
use crate::support::task;
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

/// Everybody on this machine may come, and the proxy is believed.
const TRUSTING: &str =
    "trusted_proxies = ['127.0.0.1']\n[auth]\nmode = 'open'\nnetworks = ['127.0.0.0/8']";

const BUFFERED: (&str, &str) = (
    "proxy_request_buffering off;",
    "proxy_request_buffering on;",
);
const OLD: (&str, &str) = ("proxy_http_version 1.1;", "proxy_http_version 1.0;");

fn daemon(http: &str) -> Daemon {
    Daemon::start_unready(Daemon::folder_with(&format!("[http]\n{http}")), &[])
}

/// A file that is larger than what the sockets on its way hold.
fn large() -> Vec<u8> {
    letters(24 << 20, &mut Random::new(seed()))
}

#[test]
fn uploads_are_created_cut_and_resumed_through_nginx() {
    let content = large();
    for changes in [&[][..], &[OLD], &[BUFFERED], &[BUFFERED, OLD]] {
        let daemon = daemon(TRUSTING);
        let nginx = Nginx::start(daemon.address(), changes);
        let upload = tus::upload_with_a_cut(nginx.address, "a.txt", &content, Cut::Close);
        let data = daemon.state_dir().join("uploads").join(upload.id());
        assert!(std::fs::read(data.join("data")).unwrap() == content);
        let head = upload.head().expect(200, "HEAD");
        assert_eq!(head.number("upload-length"), Some(content.len() as u64));
        task::failure(nginx.address, upload.id());
        let terminated = Upload::create(nginx.address, 10, &[]);
        terminated.terminate().expect(204, "DELETE");
        terminated.head().expect(404, "it is gone");
    }
}

#[test]
fn what_came_before_the_client_was_cut_is_kept_unless_nginx_buffers_it() {
    let content = large();
    for (changes, keeps) in [(&[][..], true), (&[OLD], true), (&[BUFFERED], false)] {
        let daemon = daemon(TRUSTING);
        let nginx = Nginx::start(daemon.address(), changes);
        for how in [Cut::Close, Cut::Reset] {
            let upload = Upload::create(nginx.address, content.len() + 1, &[]);
            upload
                .patch_in_part(0, content.len() + 1, &content)
                .unwrap()
                .cut(how);
            let kept = upload.offset();
            println!("{changes:?} {how:?}: {kept} of {}", content.len());
            match keeps {
                true => assert!(kept >= content.len() / 4),
                false => assert_eq!(kept, 0),
            }
            let data = daemon.state_dir().join("uploads").join(upload.id());
            let data = std::fs::read(data.join("data")).unwrap();
            assert!(data[..kept] == content[..kept]);
        }
    }
}

#[test]
fn uploads_of_the_other_protocol_go_through_nginx_too() {
    let content = large();
    let draft = ("Upload-Draft-Interop-Version", "8");
    let (complete, incomplete) = (("Upload-Complete", "?1"), ("Upload-Complete", "?0"));
    let chunk = ("Content-Type", "application/partial-upload");
    for changes in [&[][..], &[OLD], &[BUFFERED]] {
        let daemon = daemon(TRUSTING);
        let nginx = Nginx::start(daemon.address(), changes);
        let address = nginx.address;
        let at_once = request(address, "POST", FILES, &[draft, complete], Some(&content));
        let path = tus::location_path(&at_once.unwrap().expect(201, "in one request"));
        task::failure(address, path.rsplit('/').next().unwrap());

        let length = content.len().to_string();
        let headers = [draft, incomplete, ("Upload-Length", &*length)];
        let created = request(address, "POST", FILES, &headers, Some(b""));
        let path = tus::location_path(&created.unwrap().expect(201, "creation"));
        let append = [draft, complete, chunk];
        let headers = [&append[..], &[("Upload-Offset", "0")]].concat();
        let mut connection = Connection::open(address).unwrap();
        connection
            .send_head("PATCH", &path, &headers, Some(content.len()))
            .unwrap();
        connection.send(&content[..content.len() / 2]).unwrap();
        connection.cut(Cut::Close);
        until("the rest is taken", || {
            let head = request(address, "HEAD", &path, &[draft], None).unwrap();
            let offset = head.expect(204, "HEAD").number("upload-offset").unwrap();
            let rest = &content[offset as usize..];
            let offset = offset.to_string();
            let headers = [&append[..], &[("Upload-Offset", &*offset)]].concat();
            let last = request(address, "PATCH", &path, &headers, Some(rest)).unwrap();
            // What nginx still held may have come in between.
            (last.status != 409).then(|| last.expect(200, "the rest"))
        });
        let id = path.rsplit('/').next().unwrap();
        let data = daemon.state_dir().join("uploads").join(id).join("data");
        assert!(std::fs::read(data).unwrap() == content);
    }
}

#[test]
fn refusals_reach_the_client_through_nginx() {
    let content = large();
    let daemon = daemon(&format!("{TRUSTING}\n[upload]\nmax_size = '20MiB'"));
    for changes in [&[][..], &[OLD], &[BUFFERED]] {
        let nginx = Nginx::start(daemon.address(), changes);
        let address = nginx.address;
        let length = content.len().to_string();
        let headers = [RESUMABLE, ("Upload-Length", &*length)];
        let refused = request(address, "POST", FILES, &headers, Some(b"")).unwrap();
        let refused = refused.expect(413, "more than max_size");
        assert!(refused.text().contains("20971520"), "{}", refused.text());

        let upload = Upload::create(address, 10, &[]);
        let refused = upload
            .patch(0, &content)
            .unwrap()
            .expect(413, "a long body");
        assert_eq!(refused.header("tus-resumable"), Some("1.0.0"));
        let refused = upload.patch(5, &content[..5]).unwrap();
        let refused = refused.expect(409, "another offset");
        assert_eq!(refused.number("upload-offset"), Some(0));
    }
}

/// Asks from an address of this machine.
fn ask_from(client: u8, address: SocketAddr, headers: &[(&str, &str)]) -> Response {
    let client = Ipv4Addr::new(127, 0, 0, client);
    let mut connection = Connection::open_from(client, address).unwrap();
    connection
        .send_head("GET", "/task/all", headers, None)
        .unwrap();
    connection.receive("GET").unwrap()
}

#[test]
fn the_client_is_the_one_that_a_trusted_proxy_names() {
    let open_to_five = "[auth]\nmode = 'open'\nnetworks = ['127.0.0.5']";
    let trusting = daemon(&format!("trusted_proxies = ['127.0.0.1']\n{open_to_five}"));
    let nginx = Nginx::start(trusting.address(), &[]);
    let forged = [
        &[][..],
        &[("X-Forwarded-For", "127.0.0.5")],
        &[("Forwarded", "for=127.0.0.5")],
        &[("X-Real-IP", "127.0.0.5")],
    ];
    for headers in forged {
        ask_from(5, nginx.address, headers).expect(200, "through the proxy");
        ask_from(5, trusting.address(), headers).expect(200, "past it");
        for address in [nginx.address, trusting.address()] {
            let refused = ask_from(6, address, headers).expect(403, "a stranger");
            assert!(refused.text().contains("127.0.0.6"), "{}", refused.text());
        }
    }
    // As the proxy says, as it asks itself, and when it hides the client.
    for (headers, refusal) in [
        (&[("Forwarded", "for=127.0.0.5")][..], None),
        (&[("Forwarded", "for=\"127.0.0.5:80\";proto=https")], None),
        (&[("Forwarded", "for=127.0.0.6")], Some("address 127.0.0.6")),
        (&[("Forwarded", "for=_hidden")], Some("is unknown")),
        (
            &[("X-Forwarded-For", "127.0.0.5, unknown")],
            Some("is unknown"),
        ),
        (
            &[
                ("Forwarded", "for=127.0.0.5"),
                ("X-Forwarded-For", "127.0.0.6"),
            ],
            Some("is unknown"),
        ),
        (&[], Some("address 127.0.0.1")),
    ] {
        let answer = ask_from(1, trusting.address(), headers);
        let status = if refusal.is_some() { 403 } else { 200 };
        let reply = answer.expect(status, &format!("{headers:?}")).text();
        assert!(reply.contains(refusal.unwrap_or_default()), "{reply}");
    }

    let wary = daemon(open_to_five);
    let nginx = Nginx::start(wary.address(), &[]);
    for client in [5, 6] {
        let refused = ask_from(client, nginx.address, &[]).expect(403, "a proxy of no name");
        assert!(refused.text().contains("127.0.0.1"), "{}", refused.text());
    }
}

#[test]
fn wrong_tokens_are_counted_for_the_client_behind_the_proxy() {
    let daemon = tokens::daemon("[http]\ntrusted_proxies = ['127.0.0.1']");
    let nginx = Nginx::start(daemon.address(), &[]);
    let refused = ask_from(5, nginx.address, &[]).expect(403, "without any tokens");
    assert!(refused.text().contains("tokens add"), "{}", refused.text());
    tokens::add(&daemon, &["phone"]);
    tokens::reload(&daemon);
    let wrong = [("Authorization", "Bearer x")];
    until("the client is limited", || {
        let status = ask_from(5, nginx.address, &wrong).status;
        assert!([401, 429].contains(&status), "{status}");
        (status == 429).then_some(())
    });
    ask_from(6, nginx.address, &wrong).expect(401, "another client");
    ask_from(1, daemon.address(), &wrong).expect(401, "the proxy itself");
    let named = until("the journal names the clients", || {
        let said = daemon.stderr();
        let named: Vec<String> = ["127.0.0.5", "127.0.0.6", "127.0.0.1"]
            .map(|client| format!("client={client}"))
            .into();
        named
            .iter()
            .all(|client| said.contains(client))
            .then_some(said)
    });
    assert!(named.contains("invalid access token"), "{named}");
}

/// A new upload's `Location`, asked for from 127.0.0.1 and from another client.
#[test]
fn an_upload_is_where_its_client_asked_for_it_as_far_as_that_is_known() {
    let daemon = tokens::daemon("[http]\ntrusted_proxies = ['127.0.0.1']");
    let address = daemon.address();
    let token = format!("Bearer {}", tokens::add(&daemon, &["phone"]));
    let token = ("Authorization", &*token);
    tokens::reload(&daemon);
    let location = |client: u8, host: &str, headers: &[(&str, &str)]| {
        let mut head = format!("POST {FILES} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers
            .iter()
            .chain(&[RESUMABLE, token, ("Upload-Length", "9")])
        {
            head += &format!("{name}: {value}\r\n");
        }
        let client = Ipv4Addr::new(127, 0, 0, client);
        let mut connection = Connection::open_from(client, address).unwrap();
        connection.send(format!("{head}\r\n").as_bytes()).unwrap();
        let created = connection.receive("POST").unwrap().expect(201, host);
        let location = created.header("location").unwrap().to_owned();
        let (base, _) = location.split_once(FILES).expect("its place");
        base.to_owned()
    };
    let own = address.to_string();
    let https = ("X-Forwarded-Proto", "https");
    let notes = ("X-Forwarded-Host", "notes.example:8443");
    for (client, host, headers, expected) in [
        (5, "box:8000", &[][..], "http://box:8000"),
        (5, &*own, &[], &*format!("http://{own}")),
        (5, "me@box", &[], ""),
        (5, "box/..", &[], ""),
        // A client may send the headers of a proxy.
        (5, "box", &[https, notes], ""),
        // The trusted one.
        (1, &*own, &[], ""),
        (1, &*own, &[("X-Forwarded-For", "127.0.0.5")], ""),
        (1, &*own, &[https], ""),
        (1, &*own, &[https, notes], "https://notes.example:8443"),
        (1, "notes.example", &[https], "https://notes.example"),
        (
            1,
            &*own,
            &[("Forwarded", "for=127.0.0.5;host=notes.example;proto=https")],
            "https://notes.example",
        ),
    ] {
        assert_eq!(
            location(client, host, headers),
            expected,
            "{host} {headers:?}"
        );
    }
    // Interim answers have the same one.
    let client = Ipv4Addr::new(127, 0, 0, 5);
    let mut connection = Connection::open_from(client, address).unwrap();
    let draft = ("Upload-Draft-Interop-Version", "8");
    let headers = [draft, token, ("Upload-Complete", "?1")];
    connection
        .send_head("POST", FILES, &headers, Some(4))
        .unwrap();
    let interim = connection.receive_any("POST").unwrap().expect(104, "first");
    connection.send(b"text").unwrap();
    let created = connection.receive("POST").unwrap().expect(201, "at last");
    assert_eq!(interim.header("location"), created.header("location"));
    let location = created.header("location").unwrap();
    assert!(
        location.starts_with(&format!("http://{own}{FILES}")),
        "{location}"
    );
}

#[test]
fn uploads_go_over_tls_wherever_the_base_url_says() {
    for (path, is_told) in [("", false), ("", true), ("/scribed", true)] {
        // The daemon needs to know where nginx is, which needs to know the daemon.
        let mut daemon = daemon(TRUSTING);
        let below = format!("location {path}/ {{");
        let prefix = [
            ("location / {", &*below),
            ("127.0.0.1:8000;", "127.0.0.1:8000/;"),
        ];
        let changes = if path.is_empty() { &[][..] } else { &prefix };
        let nginx = Nginx::start(daemon.address(), changes);
        let base = format!("https://{}{path}", nginx.tls_address);
        if is_told {
            let address = daemon.address().to_string();
            assert!(daemon.terminate().success());
            let config = format!("[http]\nbase_url = '{base}/'\n{TRUSTING}");
            let folder = Daemon::folder_with(&config);
            daemon = Daemon::start_unready(folder, &["--listen".as_ref(), address.as_ref()]);
        }
        let folder = tempfile::tempdir().unwrap();
        let content = large();
        let (first, second) = content.split_at(content.len() / 3);
        let created = curl(
            folder.path(),
            "POST",
            &format!("{base}{FILES}"),
            &[&format!("Upload-Length: {}", content.len())],
            b"",
        );
        let location = created.header("location").expect("a Location").to_owned();
        // The manual's nginx passes on what it was asked for, also without a base.
        assert!(
            location.starts_with(&format!("{base}{FILES}")),
            "{location}"
        );
        for (offset, piece) in [(0, first), (first.len(), second)] {
            let offset = format!("Upload-Offset: {offset}");
            let patched = curl(folder.path(), "PATCH", &location, &[&offset], piece);
            assert_eq!(patched.status, 204, "{}", patched.text());
        }
        let head = curl(folder.path(), "HEAD", &location, &[], b"");
        assert_eq!(head.number("upload-offset"), Some(content.len() as u64));
        task::failure(daemon.address(), location.rsplit('/').next().unwrap());
    }
}

/// Asks over TLS; the body goes through a file, as it may be long.
fn curl(folder: &Path, method: &str, url: &str, headers: &[&str], body: &[u8]) -> Response {
    let file = folder.join("body");
    std::fs::write(&file, body).unwrap();
    let mut command = Command::new("curl");
    command.args(["-sS", "--insecure", "--max-time", "300", "-i"]);
    match method {
        "HEAD" => command.arg("--head"),
        _ => command
            .args(["-X", method, "--data-binary"])
            .arg(format!("@{}", file.display())),
    };
    let content = format!("{}: {}", CONTENT.0, CONTENT.1);
    for header in headers.iter().chain(&["Tus-Resumable: 1.0.0", &*content]) {
        command.args(["-H", header]);
    }
    let output = command.arg(url).output().expect("curl is installed");
    assert!(output.status.success(), "{url}: {output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    // Interim answers come first.
    let last = text.rfind("HTTP/1.1 ").expect("an answer");
    let (head, body) = text[last..].split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    Response {
        status: status.and_then(|code| code.parse().ok()).expect("a status"),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    }
}

#[test]
fn send_goes_through_nginx() {
    for base_url in ["", "base_url = 'https://notes.example/scribed'\n"] {
        let daemon = daemon(&format!("{base_url}{TRUSTING}"));
        let nginx = Nginx::start(daemon.address(), &[]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no recording").unwrap();
        let sent = Command::new(PROGRAM)
            .args(["send", "notes.txt", "--to"])
            .arg(format!("http://{}", nginx.address))
            .current_dir(folder.path())
            .env("XDG_STATE_HOME", folder.path())
            .env_remove("SCRIBED_TOKEN")
            .output()
            .unwrap();
        assert!(sent.status.success(), "{sent:?}");
        assert_eq!(task::count(daemon.address()), 1);
    }
}
