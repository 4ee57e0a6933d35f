//! The pages of a front end, and our own.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{Response, get, request};

const INDEX: &str = "<!doctype html><title>notes</title><script src=\"app.js\"></script>";
const SCRIPT: &str = "console.log('0123456789')";

/// A daemon with a front end in a folder.
fn daemon() -> (Daemon, PathBuf) {
    daemon_with("")
}

fn daemon_with(more: &str) -> (Daemon, PathBuf) {
    let folder = Daemon::folder();
    let pages = folder.path().join("pages");
    fs::create_dir_all(pages.join("assets")).unwrap();
    fs::write(pages.join("index.html"), INDEX).unwrap();
    fs::write(pages.join("app.js"), SCRIPT).unwrap();
    fs::write(pages.join("assets/logo.svg"), "<svg/>").unwrap();
    fs::write(pages.join("assets/large.js"), "large").unwrap();
    fs::write(pages.join("assets/large.js.gz"), "smaller").unwrap();
    let config = format!("[http]\nstatic_dir = {pages:?}\n{more}");
    fs::write(folder.path().join("scribed.toml"), config).unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let no_more: [&OsStr; 0] = [];
    let daemon = Daemon::start_unready(folder, &no_more);
    daemon.wait_until_ready();
    (daemon, pages)
}

fn ask(address: SocketAddr, path: &str, header: (&str, &str)) -> Response {
    request(address, "GET", path, &[header], None).expect("an answer")
}

#[test]
fn a_front_end_is_served_below_ui() {
    let (daemon, _) = daemon();
    let address = daemon.address();
    for (path, status, what) in [
        ("/ui/", 200, INDEX),
        ("/ui/index.html", 200, INDEX),
        ("/ui/app.js", 200, SCRIPT),
        ("/ui/app.js?v=2", 200, SCRIPT),
        ("/ui/assets/logo.svg", 200, "<svg/>"),
        // What only the application knows.
        ("/ui/tasks", 200, INDEX),
        ("/ui/tasks/0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57", 200, INDEX),
        ("/ui/missing.js", 404, ""),
        ("/ui/assets/missing.svg", 404, ""),
    ] {
        let answer = get(address, path).expect(status, path);
        if status == 200 {
            assert_eq!(answer.text(), what, "{path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
        } else {
            assert_eq!(answer.json()["error"]["code"], "NOT_FOUND");
        }
    }
    for (path, to) in [("/", "ui/"), ("/ui", "ui/"), ("/ui/assets", "assets/")] {
        let answer = get(address, path);
        assert!((300..400).contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(answer.header("location"), Some(to), "{path}");
    }
    for (path, kind) in [
        ("/ui/", "text/html"),
        ("/ui/tasks", "text/html"),
        ("/ui/app.js", "text/javascript"),
        ("/ui/assets/logo.svg", "image/svg+xml"),
    ] {
        let page = get(address, path);
        assert_eq!(page.header("content-type"), Some(kind), "{path}");
    }

    let part = ask(address, "/ui/app.js", ("Range", "bytes=13-22"));
    assert_eq!(part.expect(206, "a part").text(), "0123456789");
    let whole = get(address, "/ui/app.js");
    let modified = whole.header("last-modified").expect("Last-Modified");
    let again = ask(address, "/ui/app.js", ("If-Modified-Since", modified));
    again.expect(304, "nothing new");
    let smaller = ask(address, "/ui/assets/large.js", ("Accept-Encoding", "gzip"));
    assert_eq!(smaller.header("content-encoding"), Some("gzip"));
    assert_eq!(smaller.text(), "smaller");
    let head = request(address, "HEAD", "/ui/app.js", &[], None).unwrap();
    assert_eq!(head.expect(200, "HEAD").number("content-length"), Some(25));
    request(address, "POST", "/ui/", &[], Some(b""))
        .unwrap()
        .expect(405, "POST");
}

#[test]
fn a_front_end_that_is_built_for_the_root_is_served_there() {
    let (daemon, _) = daemon_with("static_root = true");
    let address = daemon.address();
    let id = "0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
    for (path, status, what) in [
        ("/", 200, INDEX),
        ("/index.html", 200, INDEX),
        ("/app.js?v=2", 200, SCRIPT),
        ("/assets/logo.svg", 200, "<svg/>"),
        // What only the application knows.
        ("/tasks", 200, INDEX),
        (&format!("/tasks/{id}"), 200, INDEX),
        ("/uploads", 200, INDEX),
        ("/settings/models/", 200, INDEX),
        ("/missing.js", 404, "NOT_FOUND"),
        ("/assets/missing.svg", 404, "NOT_FOUND"),
        // As before.
        ("/ui/", 200, INDEX),
        ("/ui/app.js", 200, SCRIPT),
        ("/ui/tasks", 200, INDEX),
        // What is somewhere else stays there.
        ("/task/all", 200, "\"tasks\":[]"),
        (&format!("/task/{id}"), 404, "TASK_NOT_FOUND"),
        (&format!("/tasks/{id}/progress"), 404, "TASK_NOT_FOUND"),
        ("/v1/nothing", 404, "unknown_url"),
        ("/health/live", 200, "ok"),
        (&format!("/uploads/files/{id}"), 404, "no upload"),
    ] {
        let answer = get(address, path).expect(status, path);
        assert!(answer.text().contains(what), "{path}: {}", answer.text());
    }
    assert_eq!(get(address, "/ui").header("location"), Some("ui/"));
    assert_eq!(get(address, "/assets").header("location"), Some("assets/"));
    let head = request(address, "HEAD", "/", &[], None).unwrap();
    assert_eq!(head.header("content-type"), Some("text/html"));
    for path in ["/", "/tasks"] {
        let refused = request(address, "POST", path, &[], Some(b"")).unwrap();
        let refused = refused.expect(405, path);
        assert_eq!(refused.header("allow"), Some("GET, HEAD"), "{path}");
    }
}

#[test]
fn nothing_outside_the_front_end_is_served() {
    let (below_ui, pages) = daemon();
    let (at_root, at_root_pages) = daemon_with("static_root = true");
    for (daemon, pages, place) in [(below_ui, pages, "/ui"), (at_root, at_root_pages, "")] {
        assert_nothing_else_is_served(&daemon, &pages, place);
    }
}

fn assert_nothing_else_is_served(daemon: &Daemon, pages: &Path, place: &str) {
    let secret = pages.parent().unwrap().join("secret");
    for path in [
        "/ui/../secret",
        "/ui/..%2fsecret",
        "/ui/%2e%2e/secret",
        "/ui/%2e%2e%2fsecret",
        "/ui/assets/../../secret",
        "/ui/assets/..%2f..%2fsecret",
        "/ui/..\\secret",
        "/ui/..%5csecret",
        "/ui/%00",
        "/ui/secret%00.js",
        &format!("/ui/{}", secret.display()),
        &format!("/ui/%2f{}", secret.display()),
        "/ui/%ff",
    ] {
        let path = &path.replacen("/ui", place, 1);
        let answer = get(daemon.address(), path);
        assert!(!answer.text().contains("secret"), "{path}: {answer:?}");
        assert!([200, 400, 404].contains(&answer.status), "{path}");
    }
}

#[test]
fn hidden_files_and_links_to_the_outside_are_not_there() {
    let (below_ui, pages) = daemon();
    let (at_root, at_root_pages) = daemon_with("static_root = true");
    for (daemon, pages, place) in [(below_ui, pages, "/ui"), (at_root, at_root_pages, "")] {
        fs::create_dir(pages.join(".git")).unwrap();
        fs::create_dir(pages.join("assets/.cache")).unwrap();
        for hidden in [
            ".env",
            ".git/config",
            "assets/.cache/x.js",
            "assets/.hidden.js.gz",
        ] {
            fs::write(pages.join(hidden), "secret").unwrap();
        }
        let secret = pages.parent().unwrap().join("secret");
        symlink(&secret, pages.join("absolute.js")).unwrap();
        symlink("../secret", pages.join("relative.js")).unwrap();
        symlink("..", pages.join("up")).unwrap();
        symlink("../secret", pages.join("app.js.br")).unwrap();
        nix::unistd::mkfifo(&pages.join("fifo.js"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [
            "/.env",
            "/%2eenv",
            "/%2Eenv",
            "/.git",
            "/.git/",
            "/.git/config",
            "/%2egit/config",
            "/.git%2fconfig",
            "/assets/.cache/x.js",
            "/assets/%2ecache/x.js",
            "/assets/.hidden.js",
            "/x/.y/z",
            "/absolute.js",
            "/relative.js",
            "/up/secret.js",
            "/fifo.js",
        ] {
            let path = format!("{place}{path}");
            let answer = get(daemon.address(), &path).expect(404, &path);
            assert!(!answer.text().contains("secret"), "{path}");
        }
        // Not a file, so the application may know it; and never the other's content.
        let answer = get(daemon.address(), &format!("{place}/up/secret"));
        assert_eq!(answer.expect(200, "up").text(), INDEX);
        let path = format!("{place}/app.js");
        let answer = ask(daemon.address(), &path, ("Accept-Encoding", "br"));
        assert_eq!(answer.expect(200, "br").text(), SCRIPT);
        // Links that stay inside are as good as files.
        symlink("app.js", pages.join("link.js")).unwrap();
        symlink("assets", pages.join("files")).unwrap();
        let link = get(daemon.address(), &format!("{place}/link.js"));
        assert_eq!(link.expect(200, "a link").text(), SCRIPT);
        get(daemon.address(), &format!("{place}/files/logo.svg")).expect(200, "a linked folder");
    }
}

#[test]
fn without_a_front_end_there_is_a_page_that_says_what_this_is() {
    let daemon = Daemon::start();
    let page = get(daemon.address(), "/").expect(200, "/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let text = page.text();
    let version = format!("scribed {}", env!("CARGO_PKG_VERSION"));
    for part in [&*version, "demo model", "scribed send", "/uploads/files/"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    get(daemon.address(), "/ui/").expect(404, "/ui/");
}

#[test]
fn pages_need_no_token_and_what_they_ask_for_does() {
    let pages = tempfile::tempdir().unwrap();
    fs::write(pages.path().join("index.html"), INDEX).unwrap();
    let dir = format!("[http]\nstatic_dir = {:?}\n", pages.path());
    for (more, root) in [("", 302), ("static_root = true", 200)] {
        let daemon = tokens::daemon(&format!("{dir}{more}"));
        tokens::add(&daemon, &["notes"]);
        tokens::reload(&daemon);
        get(daemon.address(), "/ui/").expect(200, "the page");
        get(daemon.address(), "/").expect(root, "the way there, or the page");
        get(daemon.address(), "/task/all").expect(401, "the tasks");
        let elsewhere = if root == 200 { 200 } else { 401 };
        get(daemon.address(), "/tasks").expect(elsewhere, "an address of the page's");
    }
}
