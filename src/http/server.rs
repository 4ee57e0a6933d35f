//! Accepting connections and serving them, on one ingest thread.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tracing::{Instrument, debug, info_span, warn};

use super::connection::admitted::Admitted;
use super::connection::first_request::FirstRequest;
use crate::access::{Client, Way, network_of};
use crate::http::app::App;
use crate::http::connection::close;
use crate::http::connection::head_timeout::HeadClock;
use crate::http::connection::io::Connection;
use crate::http::connection::request_body::RequestBody;
use crate::http::headers::request_head;
use crate::http::headers::requested::{Ends, Requested};
use crate::http::headers::site::Site;
use crate::http::live::{self, Handover};
use crate::http::reply::{self, Reply};
use crate::http::routes;
use crate::shares::{Owner, Shares};
use crate::store::ring;

/// Time for responses to be sent once the daemon stops; uploads are parked at
/// once.
const DRAIN: Duration = Duration::from_secs(5);

/// Pause after accept failed, most likely for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest request head; hyper answers 431 to a longer one, and to one of more
/// than 100 fields. No buffer is smaller, see [`Server::buffer_bytes`].
const HEAD_MAX_BYTES: usize = 16 << 10;

/// What an ingest thread needs.
#[derive(Debug, Clone)]
pub struct Server {
    /// What handlers can use.
    pub app: Arc<App>,
    /// One permit per connection, over all threads.
    pub connections: Arc<Semaphore>,
    /// The connections of each client.
    pub per_client: Arc<Shares>,
    /// How many permits there are.
    pub max_connections: usize,
    /// Turns true when the daemon stops.
    pub stopping: watch::Receiver<bool>,
}

impl Server {
    /// Receive buffer of a new connection. Large buffers save CPU time, and many
    /// of them cost memory.
    fn buffer_bytes(&self) -> usize {
        let served = self.max_connections - self.connections.available_permits();
        match served {
            0..=4 => 256 << 10,
            5..=16 => 128 << 10,
            17..=64 => 32 << 10,
            _ => 16 << 10,
        }
    }
}

/// Serves these listeners until the daemon stops and connections have ended.
/// Must run on a ring.
pub async fn serve(server: Server, listeners: Vec<std::net::TcpListener>) -> std::io::Result<()> {
    let mut accepting = Vec::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        accepting.push(ring::spawn(accept(server.clone(), listener)));
    }
    for accepting in accepting {
        // Ends when the daemon stops, or has panicked.
        let _ = accepting.await;
    }
    Ok(())
}

async fn accept(server: Server, listener: TcpListener) {
    // Every connection holds a clone: when all receivers are gone, all have ended.
    let (ended, open) = watch::channel(());
    let mut stopping = server.stopping.clone();
    loop {
        let permit = Arc::clone(&server.connections).acquire_owned();
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = async { (permit.await, listener.accept().await) } => accepted,
        };
        match accepted {
            (Ok(permit), Ok((stream, peer))) => {
                let peer = peer.ip().to_canonical();
                let (connection, clock) = Connection::accepted(stream, server.app.idle_timeout);
                let share = server.per_client.take(Owner::Network(network_of(peer)));
                // A trusted proxy connects for many clients.
                if share.is_err() && !server.app.trusted_proxies.contains(peer) {
                    close::refuse(&connection);
                    continue;
                }
                let (server, open) = (server.clone(), open.clone());
                ring::spawn(async move {
                    let served = serve_connection(&server, connection, clock, peer).await;
                    if let Err(error) = served {
                        debug!(%peer, "connection ended: {error}");
                    }
                    drop((permit, share, open));
                });
            }
            (_, Err(error)) => {
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            // The semaphore is never closed.
            (Err(_), _) => break,
        }
    }
    drop((listener, open));
    // Others are closed: what they had sent is durable already.
    let _ = tokio::time::timeout(DRAIN, ended.closed()).await;
}

/// Serves one connection until it ends.
async fn serve_connection(
    server: &Server,
    connection: Connection,
    clock: HeadClock,
    peer: IpAddr,
) -> hyper::Result<()> {
    let app = &server.app;
    // Without it a HEAD may not see bytes that are still arriving.
    let peer_socket = connection.peer_socket();
    let interim = connection.interim();
    let ends = Ends {
        peer,
        local_port: connection.local_port(),
    };
    let is_first = Cell::new(true);
    let handover = Handover::default();
    let admitted = Admitted::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        let app = Arc::clone(app);
        if is_first.replace(false) {
            request.extensions_mut().insert(FirstRequest);
        }
        if let Some(peer_socket) = peer_socket.clone() {
            request.extensions_mut().insert(peer_socket);
        }
        request.extensions_mut().insert(interim.clone());
        request.extensions_mut().insert(handover.clone());
        admitted.clear();
        request.extensions_mut().insert(admitted.clone());
        request.extensions_mut().insert(ends);
        let client = client_of(&app, ends, &request);
        // Journal lines about this request name its client.
        let span = info_span!("request", client = %client.address);
        async move { Ok::<_, Infallible>(answer(app, client, request).await) }.instrument(span)
    });
    let mut serving = http1::Builder::new()
        .timer(clock)
        .header_read_timeout(app.header_timeout.min(app.idle_timeout))
        .max_header_size(HEAD_MAX_BYTES)
        .max_buf_size(server.buffer_bytes())
        .serve_connection(TokioIo::new(connection), service);
    let mut stopping = server.stopping.clone();
    let ended = tokio::select! {
        ended = &mut serving => ended,
        _ = stopping.wait_for(|stopping| *stopping) => {
            std::pin::Pin::new(&mut serving).graceful_shutdown();
            return serving.await;
        }
        // Dropped in the middle of whatever it does.
        () = admitted.revoked() => return Ok(()),
    };
    let rest = serving.into_parts();
    let connection = rest.io.into_inner();
    if let Err(error) = &ended
        && error.is_user()
    {
        let why = error.source().map(ToString::to_string);
        warn!(
            "a response was cut off in its middle: {}",
            why.unwrap_or_default()
        );
        connection.reset();
        return ended;
    }
    // hyper leaves the connection open, also after a 101.
    if ended.is_ok()
        && let Some(session) = handover.take()
    {
        let socket = live::serve(connection, rest.read_buf, session, stopping);
        tokio::select! {
            () = Box::pin(socket) => {}
            () = admitted.revoked() => {}
        }
        return ended;
    }
    let final_response = match &ended {
        // No request had begun.
        Err(error) if error.is_timeout() && rest.read_buf.is_empty() => return ended,
        Err(error) if error.is_timeout() => close::too_slow(),
        _ => String::new(),
    };
    tokio::select! {
        () = close::lingering_close(connection, &final_response) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    ended
}

/// Where a request comes from, and what it is for.
pub(crate) fn client_of<B>(app: &App, ends: Ends, request: &Request<B>) -> Client {
    let requested = Requested {
        ends,
        version: request.version(),
        uri: request.uri(),
        headers: request.headers(),
    };
    let site = Site {
        requested,
        proxies: &app.trusted_proxies,
        base_url: &app.base_url,
    };
    let (address, way) = app.trusted_proxies.client(ends.peer, request.headers());
    Client {
        address,
        way: match way {
            // Its headers show no proxy.
            Way::Direct if requested.is_http_10() => Way::Proxied,
            way => way,
        },
        host: site.host(),
        page: site.page(&app.origins),
    }
}

/// Handles a request.
pub(crate) async fn answer(app: Arc<App>, client: Client, request: Request<Incoming>) -> Reply {
    let expects_continue =
        request_head::expects_continue(&request) && !request.body().is_end_stream();
    let request = request.map(|body| RequestBody::new(body, expects_continue));
    let mut reply = match request_head::check(&request) {
        Ok(()) => routes::answer(app, client, request).await,
        Err(error) => routes::refuse(request.uri().path(), &error.into()),
    };
    // What a browser gets is what its type says: a recording or a transcript never
    // becomes a page or a script.
    reply
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A client that got no 100 need not send the body, but may: the connection
    // cannot be used for another request.
    if expects_continue && !reply.status().is_success() {
        reply::set(&mut reply, CONNECTION, "close");
    }
    reply
}
