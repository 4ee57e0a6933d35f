//! A web server of others: answers what a test wants, also what no server
//! should, and remembers what it was asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::waiting::until;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    /// First header of that (lower-case) name.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let header = headers.find(|(known, _)| known == name);
        &header.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

/// Writes an answer, as it is on the wire.
type Answer = dyn Fn(&Asked, &mut dyn Write) -> io::Result<()> + Send + Sync;

/// A running server; ends when dropped.
pub struct FarEnd {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_over: Arc<AtomicBool>,
}

impl FarEnd {
    /// One that answers so.
    pub fn start(
        answer: impl Fn(&Asked, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> FarEnd {
        FarEnd::start_at(0, answer)
    }

    /// The same at a port that another one had.
    pub fn start_at(
        port: u16,
        answer: impl Fn(&Asked, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> FarEnd {
        FarEnd::run(port, None, Arc::new(answer))
    }

    /// The same over TLS, as `localhost`, with a certificate of an authority
    /// that it makes: `ca.pem` in this folder.
    pub fn start_tls(
        folder: &Path,
        answer: impl Fn(&Asked, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> FarEnd {
        FarEnd::run(0, Some(Arc::new(certified(folder))), Arc::new(answer))
    }

    fn run(port: u16, tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> FarEnd {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let far_end = FarEnd {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            is_over: Arc::default(),
        };
        let (asked, is_over) = (Arc::clone(&far_end.asked), Arc::clone(&far_end.is_over));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (asked, answer, tls) = (Arc::clone(&asked), Arc::clone(&answer), tls.clone());
                // Clients that leave are nobody's fault here.
                thread::spawn(move || serve(stream?, tls, &asked, &*answer));
            }
        });
        far_end
    }

    /// Its address with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The same, once that is so much.
    pub fn wait_for(&self, count: usize) -> Vec<Asked> {
        until(&format!("the far end is asked {count} times"), || {
            Some(self.asked()).filter(|asked| asked.len() >= count)
        })
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes it, so that its port is free.
        let _ = TcpStream::connect(self.address);
        until("the far end's port is free", || {
            TcpListener::bind(self.address).ok().map(drop)
        });
    }
}

/// A whole answer.
pub fn say(to: &mut dyn Write, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    write!(
        to,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n"
    )?;
    to.write_all(body)
}

/// Says nothing any more, and goes on with that.
pub fn fall_silent(to: &mut dyn Write) -> io::Result<()> {
    to.flush()?;
    thread::sleep(Duration::from_secs(3600));
    Ok(())
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    asked: &Mutex<Vec<Asked>>,
    answer: &Answer,
) -> io::Result<()> {
    match tls {
        None => exchange(stream, asked, answer),
        Some(tls) => {
            let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
            exchange(StreamOwned::new(connection, stream), asked, answer)
        }
    }
}

fn exchange(
    stream: impl Read + Write,
    asked: &Mutex<Vec<Asked>>,
    answer: &Answer,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines
        .first()
        .ok_or(io::ErrorKind::UnexpectedEof)?
        .split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let mut request = Asked {
        method: word(),
        target: word(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    for line in &lines[1..] {
        let (name, value) = line.split_once(": ").ok_or(io::ErrorKind::InvalidData)?;
        request
            .headers
            .push((name.to_lowercase(), value.to_owned()));
    }
    let length = request
        .headers
        .iter()
        .find(|(name, _)| name == "content-length");
    if let Some((_, length)) = length {
        let length: usize = length.parse().map_err(io::Error::other)?;
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body)?;
    }
    asked.lock().unwrap().push(request.clone());
    answer(&request, stream.get_mut())?;
    stream.get_mut().flush()
}

fn certified(folder: &Path) -> ServerConfig {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {output:?}");
    };
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "{new} -x509 -days 2 -keyout ca.key -out ca.pem -subj /CN=office"
    ));
    openssl(&format!(
        "{new} -keyout key.pem -out request.pem -subj /CN=localhost"
    ));
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
    openssl(
        "x509 -req -days 2 -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
         -out certificate.pem -extfile names",
    );
    let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}
