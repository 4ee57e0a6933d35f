//! Uploading over TUS 1.0.0, through lost connections.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Method, Request, StatusCode};
use tokio::time::{Instant, Sleep, sleep};

use super::http::Answer;
use super::memory::Memory;
use super::{Server, ServerError};

/// Where uploads are made, and below it where they are.
const UPLOADS: &str = "/uploads/files/";

/// Piece that is read from the file at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Attempts that may bring nothing before we give up ...
const FRUITLESS_MAX: u32 = 8;
/// ... with pauses that double, up to this one.
const PAUSE_MOST: Duration = Duration::from_secs(15);

/// What to send.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Language for the transcription, `None` to detect it.
    pub language: Option<String>,
    /// Bytes per second, `None` for as fast as it goes.
    pub rate_limit: Option<u64>,
}

/// A recording that the server has in full.
#[derive(Debug)]
pub struct Sent {
    /// Its task.
    pub task: String,
    memory: Memory,
}

impl Sent {
    /// Its business here is done: the next run with the same file sends it anew.
    pub fn forget(&self) {
        self.memory.forget();
    }
}

/// Why a recording was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The file.
    #[error("cannot read {}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The server, for good.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server, again and again.
    #[error(
        "giving up after {FRUITLESS_MAX} attempts, the last one: {0}; run the same command again to go on from there"
    )]
    Fruitless(ServerError),
}

/// What to show while it is being sent.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// So many bytes are sent.
    Position(u64),
    /// It goes on where an earlier run or attempt ended.
    Resumed(u64),
    /// Something went wrong; it is tried again.
    Trouble(&'a ServerError),
}

/// Sends a recording, however often the connection is lost.
pub async fn send(
    server: &Server,
    recording: &Recording,
    show: impl Fn(Event<'_>) + Clone + Send + Sync + Unpin + 'static,
) -> Result<Sent, SendError> {
    let file_error = |error| SendError::File {
        path: recording.path.clone(),
        error,
    };
    let file = File::open(&recording.path).map_err(file_error)?;
    let metadata = file.metadata().map_err(file_error)?;
    if !metadata.is_file() {
        return Err(file_error(io::Error::other("it is not a regular file")));
    }
    let length = metadata.len();
    let memory = Memory::of(server, &recording.path, &metadata).map_err(file_error)?;
    let mut location = memory.recall();
    let mut furthest = 0;
    let mut fruitless = 0;
    loop {
        let attempt = async {
            let (known, offset) = match location.clone() {
                Some(known) => match offset(server, &known).await? {
                    Some(offset) => (known, offset),
                    // Expired or deleted: from the start.
                    None => (create(server, recording, length).await?, 0),
                },
                None => (create(server, recording, length).await?, 0),
            };
            memory.remember(&known);
            location = Some(known.clone());
            if offset > 0 {
                show(Event::Resumed(offset));
            }
            if offset > furthest {
                furthest = offset;
                fruitless = 0;
            }
            if offset < length {
                patch(
                    server,
                    &known,
                    &file,
                    offset,
                    length,
                    recording.rate_limit,
                    show.clone(),
                )
                .await?;
            }
            Ok::<String, ServerError>(known)
        };
        match attempt.await {
            Ok(location) => {
                let task = location.rsplit('/').next().unwrap_or_default().to_owned();
                return Ok(Sent { task, memory });
            }
            Err(error) if !is_transient(&error) => return Err(error.into()),
            Err(error) => {
                fruitless += 1;
                if fruitless >= FRUITLESS_MAX {
                    return Err(SendError::Fruitless(error));
                }
                if !is_conflict(&error) {
                    show(Event::Trouble(&error));
                }
                let pause = Duration::from_millis(500) * 2u32.pow(fruitless - 1);
                sleep(pause.min(PAUSE_MOST)).await;
            }
        }
    }
}

/// The server had more than it could tell a moment ago: no trouble, just ask again.
fn is_conflict(error: &ServerError) -> bool {
    matches!(error, ServerError::Refused { status, .. } if *status == StatusCode::CONFLICT)
}

fn is_transient(error: &ServerError) -> bool {
    match error {
        ServerError::Connection(_) => true,
        ServerError::Refused { status, .. } => {
            // 507: the disk may be freed while we wait, but not in seconds.
            status.is_server_error() && *status != StatusCode::INSUFFICIENT_STORAGE
                || matches!(
                    *status,
                    StatusCode::CONFLICT
                        | StatusCode::LOCKED
                        | StatusCode::REQUEST_TIMEOUT
                        | StatusCode::TOO_MANY_REQUESTS
                )
        }
        ServerError::Address(_) | ServerError::Token | ServerError::Nonsense(_) => false,
    }
}

fn request(method: Method, path: &str) -> hyper::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("Tus-Resumable", "1.0.0")
}

async fn create(
    server: &Server,
    recording: &Recording,
    length: u64,
) -> Result<String, ServerError> {
    let name = recording
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let mut metadata = format!("filename {}", STANDARD.encode(name.as_bytes()));
    if let Some(language) = &recording.language {
        metadata += &format!(",language {}", STANDARD.encode(language));
    }
    let request = request(Method::POST, UPLOADS)
        .header("Upload-Length", length)
        .header("Upload-Metadata", metadata);
    let answer = server.send(request, Empty::new()).await?;
    match (answer.status, answer.header("location")) {
        (StatusCode::CREATED, Some(location)) => path_of(location),
        (StatusCode::CREATED, None) => Err(ServerError::Nonsense("no Location".into())),
        _ => Err(answer.refusal()),
    }
}

/// The server may give a whole address, and behind a proxy one below another
/// path than it has where we reach it.
fn path_of(location: &str) -> Result<String, ServerError> {
    let uri: hyper::Uri = location
        .parse()
        .map_err(|_| ServerError::Nonsense(format!("Location: {location}")))?;
    let path = uri.path();
    let own = path.rfind(UPLOADS).unwrap_or_default();
    Ok(path[own..].to_owned())
}

/// How far the server has it; `None` if it does not know it any more.
async fn offset(server: &Server, location: &str) -> Result<Option<u64>, ServerError> {
    let answer = server
        .send(request(Method::HEAD, location), Empty::new())
        .await?;
    match answer.status {
        StatusCode::OK | StatusCode::NO_CONTENT => offset_of(&answer).map(Some),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        _ => Err(answer.refusal()),
    }
}

fn offset_of(answer: &Answer) -> Result<u64, ServerError> {
    answer
        .header("upload-offset")
        .and_then(|offset| offset.parse().ok())
        .ok_or_else(|| ServerError::Nonsense("no Upload-Offset".into()))
}

async fn patch(
    server: &Server,
    location: &str,
    file: &File,
    offset: u64,
    length: u64,
    rate_limit: Option<u64>,
    show: impl Fn(Event<'_>) + Send + Sync + Unpin + 'static,
) -> Result<(), ServerError> {
    let unreadable =
        |error: io::Error| ServerError::Nonsense(format!("the file cannot be read: {error}"));
    let mut file = file.try_clone().map_err(unreadable)?;
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    let body = FileBody {
        file,
        position: offset,
        length,
        show,
        rate_limit,
        pause: None,
    };
    let request = request(Method::PATCH, location)
        .header("Upload-Offset", offset)
        .header("Content-Type", "application/offset+octet-stream");
    let answer = server.send(request, body).await?;
    match answer.status {
        StatusCode::NO_CONTENT if offset_of(&answer)? == length => Ok(()),
        StatusCode::NO_CONTENT => Err(ServerError::Connection(
            "the server took only a part".into(),
        )),
        _ => Err(answer.refusal()),
    }
}

/// The rest of a file as a body, piece by piece.
struct FileBody<S> {
    file: File,
    position: u64,
    length: u64,
    show: S,
    rate_limit: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S: Fn(Event<'_>) + Unpin> Body for FileBody<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let rest = self.length - self.position;
        if rest == 0 {
            return Poll::Ready(None);
        }
        // A limited rate is kept in pieces of at most a tenth of a second.
        let most = self
            .rate_limit
            .map_or(PIECE_BYTES as u64, |rate| (rate / 10).max(1));
        let count = rest.min(most).min(PIECE_BYTES as u64) as usize;
        let mut piece = vec![0; count];
        if let Err(error) = self.file.read_exact(&mut piece) {
            return Poll::Ready(Some(Err(error)));
        }
        self.position += count as u64;
        if let Some(rate) = self.rate_limit {
            let until = Instant::now() + Duration::from_secs_f64(count as f64 / rate as f64);
            self.pause = Some(Box::pin(tokio::time::sleep_until(until)));
        }
        (self.show)(Event::Position(self.position));
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_a_path_or_an_address() {
        for location in [
            "/uploads/files/x",
            "http://box:8000/uploads/files/x",
            "https://notes.example/scribed/uploads/files/x",
        ] {
            assert_eq!(path_of(location).unwrap(), "/uploads/files/x");
        }
        assert_eq!(path_of("http://box/elsewhere/x").unwrap(), "/elsewhere/x");
    }
}
