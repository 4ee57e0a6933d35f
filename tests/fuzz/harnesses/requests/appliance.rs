//! A daemon of one input: an empty state directory, and all that answers requests.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use uuid::Uuid;

use super::wire::{Sent, Wire};
use crate::access::{Access, Client, Grant, Host, Mode, Page};
use crate::blocking;
use crate::engine_client::{self, JobReceiver};
use crate::http::app::{App, MAX_WAITING};
use crate::http::headers::cors::Origins;
use crate::http::headers::location::BaseUrl;
use crate::http::headers::proxies::TrustedProxies;
use crate::http::headers::requested::Ends;
use crate::http::reply::Reply;
use crate::http::server;
use crate::models::UnknownModel;
use crate::outgoing::{AllowList, Outgoing, OwnAddresses};
use crate::shares::Shares;
use crate::store::Layout;
use crate::store::folder::peek_record;
use crate::store::record::Kind;
use crate::task::{Query, Tasks};
use crate::upload::{Limits, Uploads};

/// As for a connection beside many others.
const BUFFER_BYTES: usize = 16 << 10;

/// What was begun for a client that left goes on: so often it is looked at
/// whether it has ended ...
const LOOKS: usize = 2000;
/// ... so long apart ...
const PAUSE: Duration = Duration::from_millis(2);
/// ... and so often in a row it must look the same.
const SAME: usize = 3;

/// With unread bytes behind a request hyper notices so late that the client has
/// left that it takes a socket to know: not waited for here.
const NOTICE: Duration = Duration::from_millis(500);

const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct Appliance {
    /// Holds the state directory and nothing else.
    folder: PathBuf,
    app: Arc<App>,
    layout: Layout,
    /// A client, before its last answer.
    has_left: Cell<bool>,
    _stop: watch::Sender<bool>,
    _receiver: JobReceiver,
}

impl Appliance {
    pub(super) fn new() -> Appliance {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // In memory, where a sync costs nothing.
        let place = Some(PathBuf::from("/dev/shm")).filter(|place| place.exists());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("scribed-fuzz-{}-{number}", std::process::id());
        let folder = place.unwrap_or_else(std::env::temp_dir).join(name);
        std::fs::create_dir(&folder).expect("a new folder");
        let layout = Layout::prepare(&folder.join("state")).expect("a state directory");
        let tasks = Arc::new(Tasks::new(layout.clone()));
        tasks.adopted_all();
        let limits = Limits {
            max_size_bytes: 64 << 10,
            reserve_free_bytes: 0,
            max_unfinished: 8,
            idle_expiry: TIMEOUT,
            stall: TIMEOUT,
        };
        let (stop, stopping) = watch::channel(false);
        let observer = Arc::clone(&tasks) as _;
        let uploads = Uploads::new(layout.clone(), limits, observer, stopping.clone());
        let uploads = Arc::new(uploads);
        let (engine, receiver) = engine_client::engine();
        let record = layout.tokens_record();
        let access = Access::new(Mode::Tokens, folder.join("tokens"), record).expect("no tokens");
        let app = Arc::new(App {
            access: Arc::new(access),
            uploads,
            tasks,
            outgoing: Arc::new(Outgoing::new(
                AllowList::default(),
                OwnAddresses::default(),
                TIMEOUT,
                TIMEOUT,
            )),
            engine,
            default_language: None,
            origins: Origins::All,
            base_url: BaseUrl::default(),
            front_end: None,
            trusted_proxies: TrustedProxies::default(),
            header_timeout: TIMEOUT,
            models_dir: folder.join("models"),
            unknown_model: UnknownModel::Resident,
            max_queue: usize::MAX,
            idle_timeout: TIMEOUT,
            stopping,
            waiting: Shares::of(MAX_WAITING),
            listeners: Shares::of(MAX_WAITING),
            downloads: Shares::of(MAX_WAITING),
            fetches: Shares::of(MAX_WAITING),
            searches: Shares::of(MAX_WAITING),
        });
        Appliance {
            folder,
            app,
            layout,
            has_left: Cell::new(false),
            _stop: stop,
            _receiver: receiver,
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(&self, sent: Sent) {
        let wire = Wire::new(sent.pieces);
        let service = service_fn(|request: Request<Incoming>| {
            let (app, answering) = (Arc::clone(&self.app), wire.request());
            let ends = Ends {
                peer: Ipv4Addr::LOCALHOST.into(),
                local_port: 8000,
            };
            let client = Client {
                // Most inputs are to get past the check of hosts and pages.
                host: Host::Loopback,
                page: Page::Allowed,
                ..server::client_of(&app, ends, &request)
            };
            async move {
                let reply = server::answer(app, client, request).await;
                check_reply(&reply);
                drop(answering);
                Ok::<_, Infallible>(reply)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(TIMEOUT)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(wire.clone()), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            has_left = wire.hang_up(sent.leaves_after) => {
                self.has_left.set(self.has_left.get() || has_left);
                let ended = tokio::time::timeout(NOTICE, connection).await;
                ended.unwrap_or(Ok(()))
            }
        };
        // A client that hangs up or talks nonsense is no fault of ours.
        drop(ended);
        let sent = wire.sent();
        assert!(sent.is_empty() || sent.starts_with(b"HTTP/1."), "{sent:?}");
    }

    /// Checks everything that is left, once no request writes to it, and removes
    /// it.
    pub(super) async fn check(self) {
        if self.has_left.get() {
            self.settle().await;
        }
        let listed = self.tasks();
        for id in self.uploads() {
            let uploads = &self.app.uploads;
            let (status, facts) = uploads
                .look(id, &Grant::default(), false)
                .await
                .expect("a sound upload");
            assert_eq!(facts.id, id);
            let data = std::fs::metadata(self.layout.upload(id).join("data")).expect("its data");
            assert!(status.length.is_none_or(|length| status.offset <= length));
            assert!(status.offset <= data.len(), "{} bytes", data.len());
            assert!(!facts.is_whole || status.is_finished(), "a part of a form");
            let has_task = listed.contains(&id);
            let is_recording = status.is_finished() && facts.kind() != Kind::Partial;
            assert_eq!(has_task, is_recording, "one task if finished");
            match has_task {
                true => self.app.tasks.delete(id).expect("to delete a task"),
                false => uploads.terminate(id).await.expect("to terminate it"),
            }
        }
        for place in [
            self.layout.uploads(),
            self.layout.creating(),
            self.layout.damaged(),
        ] {
            assert_eq!(names_in(&place), [""; 0], "in {}", place.display());
        }
        assert_eq!(names_in(&self.folder), ["state"], "elsewhere");
        std::fs::remove_dir_all(&self.folder).expect("to take it away");
    }

    async fn settle(&self) {
        let (mut last, mut same) = (Vec::new(), 0);
        for _ in 0..LOOKS {
            blocking::idle().await;
            tokio::time::sleep(PAUSE).await;
            let now = [
                self.layout.creating(),
                self.layout.uploads(),
                self.layout.removing(),
            ]
            .map(|place| names_in(&place))
            .concat();
            let has_all_tasks = self.uploads().iter().all(|&id| {
                let record = peek_record(&self.layout.upload(id));
                record.is_ok_and(|record| record.is_recording()) == self.tasks().contains(&id)
            });
            same = if now == last && has_all_tasks {
                same + 1
            } else {
                0
            };
            last = now;
            if same == SAME {
                return;
            }
        }
    }

    /// The tasks that are listed, without a look at the disk.
    fn tasks(&self) -> Vec<Uuid> {
        let all = Query {
            page: 1,
            page_size: usize::MAX,
            ..Query::default()
        };
        self.app.tasks.search(&all).ids
    }

    fn uploads(&self) -> Vec<Uuid> {
        let names = names_in(&self.layout.uploads());
        let ids = names
            .iter()
            .map(|name| Uuid::parse_str(name).expect("an id"));
        ids.collect()
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect()
}

fn check_reply(reply: &Reply) {
    assert_ne!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let offset = number(reply, "upload-offset");
    let length = number(reply, "upload-length");
    if let (Some(offset), Some(length)) = (offset, length) {
        assert!(offset <= length, "{offset} of {length}");
    }
    if let Some(location) = reply.headers().get("location") {
        let id = location.as_bytes().strip_prefix(b"/uploads/files/");
        Uuid::try_parse_ascii(id.expect("one of ours")).expect("an id");
    }
}

fn number<T>(reply: &Response<T>, name: &str) -> Option<u64> {
    let value = reply.headers().get(name)?;
    let text = value.to_str().expect("ASCII");
    Some(text.parse().expect("a number"))
}
