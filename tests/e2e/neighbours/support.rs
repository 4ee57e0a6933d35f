//! A daemon with two tokens, and a contest between their holders.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::fixtures::raised_on_drop::RaisedOnDrop;
use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Response};
use crate::support::tus::{CONTENT, FILES, RESUMABLE, location_path};

/// What an honest user does beside an attacker takes at most so many times what it
/// takes alone, and [`PATIENCE`].
const SLOWER: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(3);

/// How often the honest user does it, alone and beside the attacker.
const ROUNDS: usize = 5;

/// Requests of one holder of a token.
#[derive(Clone)]
pub struct User {
    address: SocketAddr,
    from: Ipv4Addr,
    authorization: String,
}

/// The daemon, an attacker and an honest user.
pub struct Neighbours {
    pub daemon: Daemon,
    pub attacker: User,
    pub honest: User,
}

impl Neighbours {
    /// With this configuration beside that of the tokens.
    pub fn with(configuration: &str) -> Neighbours {
        let daemon = tokens::daemon(configuration);
        let [attacker, honest] = ["attacker", "honest"].map(|name| tokens::add(&daemon, &[name]));
        tokens::reload(&daemon);
        let user = |token: &str, from| User {
            address: daemon.address(),
            from,
            authorization: format!("Bearer {token}"),
        };
        Neighbours {
            attacker: user(&attacker, Ipv4Addr::new(127, 0, 0, 66)),
            honest: user(&honest, Ipv4Addr::new(127, 0, 0, 7)),
            daemon,
        }
    }

    /// Measures what the honest user does, alone and while `attack` runs again and
    /// again on so many threads. Every attack ran at least once before.
    pub fn contest(&self, threads: usize, attack: impl Fn(&User) + Sync, honest: impl Fn(&User)) {
        let longest = || {
            let rounds = [(); ROUNDS].map(|()| {
                let begun = Instant::now();
                honest(&self.honest);
                begun.elapsed()
            });
            rounds.into_iter().max().unwrap_or_default()
        };
        let alone = longest();
        let (is_over, attacks) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (attacker, attack) = (&self.attacker, &attack);
        let beside = thread::scope(|scope| {
            let _over = RaisedOnDrop(&is_over);
            for _ in 0..threads {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        attack(attacker);
                        attacks.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let begun = Instant::now();
            while attacks.load(Ordering::Relaxed) < threads && begun.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(10));
            }
            longest()
        });
        println!("alone {alone:?}, beside {attacks:?} attacks {beside:?}");
        assert!(
            beside <= alone * SLOWER + PATIENCE,
            "{beside:?}, and {alone:?} alone"
        );
    }
}

impl User {
    /// The same from another address.
    pub fn from(&self, number: u8) -> User {
        User {
            from: Ipv4Addr::new(127, 0, 1, number),
            ..self.clone()
        }
    }

    /// A connection with a request on it, whose response is not read.
    pub fn begin(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Connection {
        let mut connection = Connection::open_from(self.from, self.address).expect("a connection");
        let headers = [headers, &[("Authorization", &*self.authorization)]].concat();
        let sent = connection.send_head(method, target, &headers, None);
        sent.expect("a request");
        connection
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut connection = Connection::open_from(self.from, self.address).expect("a connection");
        let own = [
            ("Authorization", &*self.authorization),
            ("Connection", "close"),
        ];
        let headers = [headers, &own].concat();
        let length = (method == "POST" || method == "PATCH").then_some(body.len());
        connection
            .send_head(method, target, &headers, length)
            .expect("a request");
        // It may answer before it has read the body.
        let _ = connection.send(body);
        let answered = connection.receive(method);
        answered.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// Asks for an upload of so many bytes.
    pub fn create(&self, length: u64, headers: &[(&str, &str)]) -> Response {
        let length = length.to_string();
        let headers = [headers, &[RESUMABLE, ("Upload-Length", &*length)]].concat();
        self.ask("POST", FILES, &headers, b"")
    }

    /// Sends bytes of an upload.
    pub fn patch(&self, path: &str, offset: u64, bytes: &[u8]) -> Response {
        let offset = offset.to_string();
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", &*offset)];
        self.ask("PATCH", path, &headers, bytes)
    }

    /// Uploads it whole; its path.
    pub fn upload(&self, bytes: &[u8], headers: &[(&str, &str)]) -> String {
        let path = location_path(
            &self
                .create(bytes.len() as u64, headers)
                .expect(201, "creation"),
        );
        self.patch(&path, 0, bytes).expect(204, "all of it");
        path
    }

    /// Uploads a recording and removes it again.
    pub fn upload_and_remove(&self, bytes: &[u8]) {
        let path = self.upload(bytes, &[]);
        self.ask("DELETE", &path, &[RESUMABLE], b"")
            .expect(204, "DELETE");
    }

    /// A final upload of these parts, whatever comes of it.
    pub fn join(&self, parts: &[&str]) -> Response {
        let concat = format!("final;{}", parts.join(" "));
        self.ask("POST", FILES, &[RESUMABLE, ("Upload-Concat", &concat)], b"")
    }
}
