//! The files of a front end, from a folder.

mod beneath;

use std::io;
use std::path::Path;

use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_RANGE, LOCATION,
    RANGE,
};
use hyper::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tower_http::services::ServeDir;
use tower_http::services::fs::DefaultServeDirFallback;

use beneath::Beneath;

use super::error::api::ApiError;
use super::reply::{self, Reply};

/// A built single-page application.
#[derive(Debug, Clone)]
pub struct FrontEnd {
    files: ServeDir<DefaultServeDirFallback, Beneath>,
    /// Whether it is also served at `/`.
    is_at_root: bool,
}

impl FrontEnd {
    /// The one in this folder.
    pub fn at(dir: &Path) -> FrontEnd {
        let files = ServeDir::with_backend("", Beneath::new(dir));
        FrontEnd {
            files: files.precompressed_br().precompressed_gzip(),
            is_at_root: false,
        }
    }

    /// The same, also served at `/` and at unknown paths.
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

    /// Handles GET of a file. A path without a file and without an extension gets
    /// the first page: the application knows the address. Hidden files, as tools for
    /// development leave them, do not exist.
    pub(super) async fn file(&self, path: &str, headers: &HeaderMap) -> Result<Reply, ApiError> {
        if is_hidden(path) {
            return Err(ApiError::NoRoute);
        }
        let mut found = self.files.clone().try_call(request(path, headers)?).await;
        let last = path.rsplit('/').next().unwrap_or_default();
        if is_missing(&found) && !last.contains('.') {
            found = self.files.clone().try_call(request("/", headers)?).await;
        }
        if is_missing(&found) {
            return Err(ApiError::NoRoute);
        }
        let found = found.map_err(|error| ApiError::Internal(format!("{path}: {error}")))?;
        let mut reply = found.map(reply::streamed);
        if reply.headers().contains_key(LOCATION) {
            // Relative, since a proxy may have put a prefix before the path.
            reply::set(&mut reply, LOCATION, format!("{last}/"));
        }
        let headers = reply.headers_mut();
        // Revalidated, so that a new release is seen at once.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(reply)
    }
}

/// Whether any part of a path begins with a dot.
fn is_hidden(path: &str) -> bool {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let mut parts = decoded.split(|byte| *byte == b'/');
    parts.any(|part| part.starts_with(b"."))
}

fn is_missing<B>(found: &io::Result<Response<B>>) -> bool {
    match found {
        Ok(found) => found.status() == StatusCode::NOT_FOUND,
        // Names that no file can have.
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

/// The request for a file, with the headers that choose its form.
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
