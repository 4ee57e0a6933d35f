//! Many connections that send nothing, or hardly anything, or read nothing:
//! they cost a known amount of memory, and honest clients get their turn.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use crate::fixtures::honest_client::Honest;
use crate::fixtures::proc_status::peak_kib;
use crate::support::daemon::{Daemon, run_under};
use crate::support::http::request;
use crate::support::random::{Random, letters};
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE};
use crate::support::waiting::until;

/// As many as may be open at a time ...
const CONNECTIONS: usize = 300;
/// ... and as many as are tried.
const TRIED: usize = 2 * CONNECTIONS;

/// What the daemon needs for itself and honest clients.
const BASE_KIB: u64 = 32 << 10;

/// A daemon with these limits that gives up idle connections soon.
fn daemon() -> Daemon {
    let configuration = format!("[http]\nmax_connections = {CONNECTIONS}\nidle_timeout = '1s'");
    Daemon::start_unready(Daemon::folder_with(&configuration), &[])
}

/// Connections of several clients on which these bytes were sent, or as many of
/// them as the daemon takes, and nothing is read.
fn hold(address: SocketAddr, count: usize, sent: &[u8]) -> Vec<TcpStream> {
    let client = |number: usize| Ipv4Addr::new(127, 0, 0, 2 + (number % 4) as u8);
    (0..count)
        .filter_map(|number| hold_one(client(number), address, sent))
        .collect()
}

/// One of them, of the client with that address.
fn hold_one(client: Ipv4Addr, server: SocketAddr, sent: &[u8]) -> Option<TcpStream> {
    let SocketAddr::V4(server) = server else {
        return None;
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).ok()?;
    let of = |address| SockaddrIn::from(SocketAddrV4::new(address, 0));
    bind(socket.as_raw_fd(), &of(client)).ok()?;
    match connect(socket.as_raw_fd(), &SockaddrIn::from(server)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(_) => return None,
    }
    // Those that the kernel has no place for are not waited for.
    let mut connected = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    poll(&mut connected, 50_u8)
        .ok()
        .filter(|count| *count == 1)?;
    let mut stream = TcpStream::from(socket);
    let _ = stream.write(sent);
    Some(stream)
}

/// An honest client behind so many that are not: it waits until these are
/// given up, no longer.
#[track_caller]
fn is_endured(daemon: &mut Daemon, sent: &[u8], kib_each: u64) {
    let held = hold(daemon.address(), TRIED, sent);
    assert!(held.len() > CONNECTIONS, "only {} connections", held.len());
    let honest = Honest::beside(daemon);
    honest.unharmed(daemon, BASE_KIB + kib_each * CONNECTIONS as u64);
    drop(held);
}

#[test]
fn a_flood_of_connections_that_send_nothing_is_endured() {
    is_endured(&mut daemon(), b"", 16);
}

#[test]
fn a_flood_of_heads_that_do_not_end_is_endured() {
    let head = format!("GET /health/live HTTP/1.1\r\nX: {}", "a".repeat(15_000));
    is_endured(&mut daemon(), head.as_bytes(), 48);
}

#[test]
fn a_flood_of_bodies_that_do_not_end_is_endured() {
    let body = letters(30_000, &mut Random::new(1));
    let mut sent = format!(
        "POST {FILES} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 100000\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 100000\r\n\r\n"
    )
    .into_bytes();
    sent.extend(body);
    is_endured(&mut daemon(), &sent, 96);
}

#[test]
fn a_flood_of_clients_that_wait_to_be_asked_is_endured() {
    let sent = format!(
        "POST {FILES} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 100000\r\n\
         Content-Type: application/offset+octet-stream\r\nExpect: 100-continue\r\n\
         Content-Length: 100000\r\n\r\n"
    );
    is_endured(&mut daemon(), sent.as_bytes(), 96);
}

#[test]
fn a_flood_of_unread_downloads_is_endured() {
    let mut daemon = daemon();
    let recording = letters(8 << 20, &mut Random::new(1));
    let path = tus::upload(daemon.address(), "a.txt", &recording).path;
    println!("{} KiB before", peak_kib(&daemon));
    let sent = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    is_endured(&mut daemon, sent.as_bytes(), 384);
}

#[test]
fn a_flood_of_unread_answers_is_endured() {
    let sent = "GET /task/all HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    is_endured(&mut daemon(), sent.as_bytes(), 96);
}

/// Has a command run where few files may be open.
fn with_few_descriptors(command: &mut Command) {
    run_under(command, &["prlimit", "--nofile=256:512"]);
}

#[test]
fn connections_never_take_the_descriptors_that_uploads_need() {
    let folder = Daemon::folder_with("[http]\nidle_timeout = '1s'");
    let mut daemon = Daemon::start_changed(folder, with_few_descriptors);
    let said = daemon.stderr();
    assert!(said.contains("connections at a time"), "{said}");
    drop(hold(daemon.address(), TRIED, b""));
    // Each of these has files open as well.
    let headers = [RESUMABLE, CONTENT, ("Upload-Length", "1000000")];
    let held: Vec<_> = (0..TRIED / 6)
        .map(|_| request(daemon.address(), "POST", FILES, &headers, Some(b"RIFF")).unwrap())
        .map(|created| tus::location_path(&created.expect(201, "creation")))
        .flat_map(|path| {
            let sent = format!(
                "PATCH {path} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n\
                 Content-Type: application/offset+octet-stream\r\nUpload-Offset: 4\r\n\
                 Content-Length: 999996\r\n\r\n1234"
            );
            hold(daemon.address(), 1, sent.as_bytes())
        })
        .collect();
    let honest = Honest::beside(&daemon);
    honest.unharmed(&mut daemon, BASE_KIB + 96 * CONNECTIONS as u64);
    let said = daemon.stderr();
    assert!(!said.contains("Too many open files"), "{said}");
    drop(held);
}

/// The worst client: what it asks for keeps the daemon busy, over all the
/// connections that it can get. Another one is served at once.
#[test]
fn one_client_does_not_take_the_connections_of_others() {
    let configuration = format!("[http]\nmax_connections = {CONNECTIONS}");
    let mut daemon = Daemon::start_unready(Daemon::folder_with(&configuration), &[]);
    let greedy = Ipv4Addr::new(127, 0, 0, 9);
    let address = daemon.address();
    let mut held: Vec<TcpStream> = (0..CONNECTIONS)
        .filter_map(|_| hold_one(greedy, address, b""))
        .collect();
    let honest = Honest::beside(&daemon);
    honest.unharmed(&mut daemon, BASE_KIB + 96 * CONNECTIONS as u64);
    let mut reply = String::new();
    let last = held.last_mut().expect("a connection");
    last.set_nonblocking(false).unwrap();
    last.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 503 "), "{reply:?}");
    drop(held);
    until("it is served once the others are closed", || {
        let sent = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut again = hold_one(greedy, address, sent)?;
        again.set_nonblocking(false).unwrap();
        let mut answer = [0; 15];
        again.read_exact(&mut answer).ok()?;
        (&answer == b"HTTP/1.1 200 OK").then_some(())
    });
}
