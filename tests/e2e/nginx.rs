//! An nginx of its own in front of a daemon: with the configuration of
//! scribed-proxy(7), on free ports, over plain HTTP and over TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::readme;
use crate::waiting::until;

/// A running nginx.
pub struct Nginx {
    /// Before its folder, so that it ends before that is removed.
    _running: Running,
    /// Where it speaks plain HTTP.
    pub address: SocketAddr,
    /// Where it speaks TLS.
    pub tls_address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one in front of `daemon` with the manual's configuration, in which
    /// the first text of each change is replaced by the second.
    pub fn start(daemon: SocketAddr, changes: &[(&str, &str)]) -> Nginx {
        let folder = tempfile::tempdir().expect("a temporary folder");
        make_certificate(folder.path());
        let (running, [address, tls_address]) = until("nginx listens", || {
            // Another program may take them in the meantime: then again.
            let addresses = free_addresses();
            let config = configuration(folder.path(), daemon, addresses, changes);
            fs::write(folder.path().join("nginx.conf"), config).expect("a configuration");
            Some((Running::start(folder.path(), addresses)?, addresses))
        });
        Nginx {
            _running: running,
            address,
            tls_address,
            _folder: folder,
        }
    }
}

struct Running(Child);

impl Running {
    /// `None` if it ended at once.
    fn start(folder: &Path, addresses: [SocketAddr; 2]) -> Option<Running> {
        let mut child = Command::new("nginx")
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder)
            .stderr(Stdio::piped())
            .spawn()
            .expect("nginx is installed (make proxy-packages)");
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                eprintln!("nginx: {line}");
            }
        });
        let mut running = Running(child);
        until("nginx listens or ends", || {
            let ended = running.0.try_wait().expect("its state").is_some();
            let listens = |address| TcpStream::connect(address).is_ok();
            (ended || addresses.iter().all(listens)).then_some(!ended)
        })
        .then_some(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_addresses() -> [SocketAddr; 2] {
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    taken.map(|listener| listener.local_addr().expect("its address"))
}

fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=127.0.0.1"])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("certificate.pem"))
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl is installed").success());
}

/// The manual's `server` with the paths of this test, in a process that needs no
/// privileges and leaves nothing outside its folder.
fn configuration(
    folder: &Path,
    daemon: SocketAddr,
    [address, tls_address]: [SocketAddr; 2],
    changes: &[(&str, &str)],
) -> String {
    let mut server = readme::block("packaging/man/scribed-proxy.7", "server {");
    let folder = folder.display();
    let places = [
        (
            "listen 443 ssl;",
            &*format!("listen {address}; listen {tls_address} ssl;"),
        ),
        (
            "/etc/ssl/certs/notes.example.pem",
            &format!("{folder}/certificate.pem"),
        ),
        (
            "/etc/ssl/private/notes.example.key",
            &format!("{folder}/key.pem"),
        ),
    ];
    let daemon = daemon.to_string();
    let port = [("127.0.0.1:8000", &*daemon)];
    for (from, to) in places.iter().chain(changes).chain(&port) {
        assert!(server.contains(from), "{from} is not in {server}");
        server = server.replace(from, to);
    }
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr warn;\n\
         events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
    )
}
