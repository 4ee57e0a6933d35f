//! Uploads files over TUS 1.0.0 and resumes after lost connections.

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

use super::http::Response;
use super::resume_store::ResumeStore;
use super::{Server, ServerError};

/// The path at which uploads are created, and the parent of their own paths.
const UPLOADS: &str = "/uploads/files/";

/// How much is read from the file at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Attempts in a row without progress before giving up.
const MAX_ATTEMPTS: u32 = 8;
/// Longest delay between attempts; the delay doubles up to this.
const MAX_DELAY: Duration = Duration::from_secs(15);

/// A recording to send.
#[derive(Debug, Clone)]
pub struct FileToSend {
    /// The file.
    pub path: PathBuf,
    /// Language of the recording, `None` to detect it.
    pub language: Option<String>,
    /// Bytes per second, `None` for no limit.
    pub rate_limit: Option<u64>,
}

/// A completed upload.
#[derive(Debug)]
pub struct Sent {
    /// The id of its task.
    pub task: String,
    resume_store: ResumeStore,
}

impl Sent {
    /// Forgets the upload, so that the next run with the same file starts a new
    /// one.
    pub fn forget(&self) {
        self.resume_store.remove();
    }
}

/// The recording was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The OS error.
        error: io::Error,
    },
    /// A permanent error.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A transient error in every one of the last attempts.
    #[error(
        "giving up after {MAX_ATTEMPTS} attempts; the last error: {0}; run the same command again to resume the upload"
    )]
    GaveUp(ServerError),
}

/// An event to show to the user while a recording is sent.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// This many bytes have been sent.
    Position(u64),
    /// Sending resumes at this offset.
    Resumed(u64),
    /// An attempt failed; another one follows.
    Retrying(&'a ServerError),
}

/// Sends a recording; resumes when the connection is lost.
pub async fn send(
    server: &Server,
    recording: &FileToSend,
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
    let resume_store = ResumeStore::of(server, &recording.path, &metadata).map_err(file_error)?;
    let mut location = resume_store.load();
    let mut furthest = 0;
    let mut attempts = 0;
    loop {
        let attempt = async {
            let (known, offset) = match location.clone() {
                Some(known) => match offset(server, &known).await? {
                    Some(offset) => (known, offset),
                    // Expired or deleted: starts a new upload.
                    None => (create(server, recording, length).await?, 0),
                },
                None => (create(server, recording, length).await?, 0),
            };
            resume_store.save(&known);
            location = Some(known.clone());
            if offset > 0 {
                show(Event::Resumed(offset));
            }
            if offset > furthest {
                furthest = offset;
                attempts = 0;
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
                return Ok(Sent { task, resume_store });
            }
            Err(error) if !is_transient(&error) => return Err(error.into()),
            Err(error) => {
                attempts += 1;
                if attempts >= MAX_ATTEMPTS {
                    return Err(SendError::GaveUp(error));
                }
                if !is_conflict(&error) {
                    show(Event::Retrying(&error));
                }
                let delay = Duration::from_millis(500) * 2u32.pow(attempts - 1);
                sleep(delay.min(MAX_DELAY)).await;
            }
        }
    }
}

/// Whether the offset has changed since it was requested (409 Conflict), which is
/// not worth reporting.
fn is_conflict(error: &ServerError) -> bool {
    matches!(error, ServerError::Status { status, .. } if *status == StatusCode::CONFLICT)
}

fn is_transient(error: &ServerError) -> bool {
    match error {
        ServerError::Connection(_) => true,
        ServerError::Status { status, .. } => {
            // 507: disk space may be freed later, but not within seconds.
            status.is_server_error() && *status != StatusCode::INSUFFICIENT_STORAGE
                || matches!(
                    *status,
                    StatusCode::CONFLICT
                        | StatusCode::LOCKED
                        | StatusCode::REQUEST_TIMEOUT
                        | StatusCode::TOO_MANY_REQUESTS
                )
        }
        ServerError::Address(_) | ServerError::Token | ServerError::InvalidResponse(_) => false,
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
    recording: &FileToSend,
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
    let response = server.send(request, Empty::new()).await?;
    match (response.status, response.header("location")) {
        (StatusCode::CREATED, Some(location)) => path_of(location),
        (StatusCode::CREATED, None) => Err(ServerError::InvalidResponse("no Location".into())),
        _ => Err(response.into_error()),
    }
}

/// The path of an upload from a `Location`, which may be an absolute URL, and
/// behind a proxy may have a path prefix that this client does not use.
fn path_of(location: &str) -> Result<String, ServerError> {
    let uri: hyper::Uri = location
        .parse()
        .map_err(|_| ServerError::InvalidResponse(format!("Location: {location}")))?;
    let path = uri.path();
    let own = path.rfind(UPLOADS).unwrap_or_default();
    Ok(path[own..].to_owned())
}

/// The offset of an upload; `None` if it no longer exists.
async fn offset(server: &Server, location: &str) -> Result<Option<u64>, ServerError> {
    let response = server
        .send(request(Method::HEAD, location), Empty::new())
        .await?;
    match response.status {
        StatusCode::OK | StatusCode::NO_CONTENT => offset_of(&response).map(Some),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        _ => Err(response.into_error()),
    }
}

fn offset_of(response: &Response) -> Result<u64, ServerError> {
    response
        .header("upload-offset")
        .and_then(|offset| offset.parse().ok())
        .ok_or_else(|| ServerError::InvalidResponse("no Upload-Offset".into()))
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
    let unreadable = |error: io::Error| {
        ServerError::InvalidResponse(format!("the file cannot be read: {error}"))
    };
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
    let response = server.send(request, body).await?;
    match response.status {
        StatusCode::NO_CONTENT if offset_of(&response)? == length => Ok(()),
        StatusCode::NO_CONTENT => Err(ServerError::Connection(
            "the server received only a part".into(),
        )),
        _ => Err(response.into_error()),
    }
}

/// A request body that reads the rest of a file in chunks.
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
        // With a rate limit a chunk is what may be sent in a tenth of a second.
        let max = self
            .rate_limit
            .map_or(CHUNK_BYTES as u64, |rate| (rate / 10).max(1));
        let count = rest.min(max).min(CHUNK_BYTES as u64) as usize;
        let mut chunk = vec![0; count];
        if let Err(error) = self.file.read_exact(&mut chunk) {
            return Poll::Ready(Some(Err(error)));
        }
        self.position += count as u64;
        if let Some(rate) = self.rate_limit {
            let until = Instant::now() + Duration::from_secs_f64(count as f64 / rate as f64);
            self.pause = Some(Box::pin(tokio::time::sleep_until(until)));
        }
        (self.show)(Event::Position(self.position));
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_a_path_or_a_url() {
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
