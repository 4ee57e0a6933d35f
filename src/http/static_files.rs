//! The files of a front end, from a folder.

use std::io;
use std::path::Path;

use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_RANGE, LOCATION,
    RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use tower_http::services::{ServeDir, ServeFile};

use super::error::api::ApiError;
use super::reply::{self, Reply};

/// A built single-page application.
#[derive(Debug, Clone)]
pub struct FrontEnd {
    files: ServeDir,
    /// For addresses that only the application itself knows.
    index: ServeFile,
    /// It is also served at `/`.
    is_at_root: bool,
}

impl FrontEnd {
    /// The one in this folder.
    pub fn at(dir: &Path) -> FrontEnd {
        FrontEnd {
            files: ServeDir::new(dir).precompressed_br().precompressed_gzip(),
            index: ServeFile::new(dir.join("index.html")),
            is_at_root: false,
        }
    }

    /// The same, served also at `/`, wherever nothing else is.
    pub fn at_root(dir: &Path) -> FrontEnd {
        FrontEnd {
            is_at_root: true,
            ..FrontEnd::at(dir)
        }
    }

    /// Whether it is served at `/`, too.
    pub fn is_at_root(&self) -> bool {
        self.is_at_root
    }

    /// Answers GET of a file. What is no file and does not look like one gets
    /// the application's first page: it knows the address.
    pub(super) async fn file(&self, path: &str, headers: &HeaderMap) -> Result<Reply, ApiError> {
        let mut found = self.files.clone().try_call(request(path, headers)?).await;
        let last = path.rsplit('/').next().unwrap_or_default();
        if is_missing(&found) && !last.contains('.') {
            found = self.index.clone().try_call(request("/", headers)?).await;
        }
        if is_missing(&found) {
            return Err(ApiError::NoRoute);
        }
        let found = found.map_err(|error| ApiError::Internal(format!("{path}: {error}")))?;
        let mut reply = found.map(reply::streamed);
        if reply.headers().contains_key(LOCATION) {
            // To the folder that was asked for, wherever that lies for the client.
            reply::set(&mut reply, LOCATION, format!("{last}/"));
        }
        let headers = reply.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A new release counts at once; what has not changed is not sent again.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(reply)
    }
}

fn is_missing<B>(found: &io::Result<Response<B>>) -> bool {
    match found {
        Ok(found) => found.status() == StatusCode::NOT_FOUND,
        // What no file can be called is not there either.
        Err(error) => matches!(
            error.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidFilename
        ),
    }
}

/// What tells which form of a file is wanted.
fn request(path: &str, headers: &HeaderMap) -> Result<Request<reply::Nothing>, ApiError> {
    let mut asked = Request::new(reply::Nothing::new());
    *asked.uri_mut() = path.parse().map_err(|_| ApiError::NoRoute)?;
    for name in [ACCEPT_ENCODING, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        if let Some(value) = headers.get(&name) {
            asked.headers_mut().insert(name, value.clone());
        }
    }
    Ok(asked)
}
