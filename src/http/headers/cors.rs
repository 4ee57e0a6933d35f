//! Pages of other origins (Fetch standard, CORS protocol), also public pages that
//! use a server in a private network. Which requests of a page are refused is
//! decided by [`site`](super::site) and [`access`](crate::access).

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, StatusCode};

use crate::http::reply::{self, Reply};

/// Response headers that pages may read, beside the safelisted ones.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, Retry-After, \
     Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, \
     Upload-Complete, Upload-Concat, Upload-Defer-Length, Upload-Draft-Interop-Version, \
     Upload-Expires, Upload-Incomplete, Upload-Length, Upload-Limit, Upload-Metadata, Upload-Offset, \
     X-Request-Id",
);

/// Request headers allowed where a preflight names none.
const HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type");

/// How long browsers may cache a preflight, in seconds; a day is their own limit.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// Origins whose pages may use this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All.
    All,
    /// These, each `scheme://host` or `scheme://host:port`.
    These(Vec<String>),
}

/// The headers of a response to a page of another origin.
#[derive(Debug)]
pub struct CrossOrigin {
    /// `Access-Control-Allow-Origin`, if the page is allowed.
    allowed: Option<HeaderValue>,
}

impl Origins {
    /// Whether none is allowed.
    pub fn is_empty(&self) -> bool {
        matches!(self, Origins::These(these) if these.is_empty())
    }

    /// Whether the pages of this origin are allowed.
    pub fn contains(&self, origin: &HeaderValue) -> bool {
        match self {
            Origins::All => true,
            Origins::These(these) => these.iter().any(|allowed| origin == allowed.as_str()),
        }
    }

    /// Reads the `Origin` of a request; `None` without one.
    pub fn check(&self, headers: &HeaderMap) -> Option<CrossOrigin> {
        let origin = headers.get(ORIGIN)?;
        let allowed = match self {
            // Never with credentials, which would make every page on the web
            // as good as one that is named.
            Origins::All => Some(ANY),
            Origins::These(_) => self.contains(origin).then(|| origin.clone()),
        };
        Some(CrossOrigin { allowed })
    }
}

/// Whether this is a CORS-preflight request (Fetch standard).
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl CrossOrigin {
    /// The response to a preflight for a resource with these methods.
    pub fn preflight(&self, asked: &HeaderMap, methods: &'static str) -> Reply {
        let mut reply = reply::empty(StatusCode::NO_CONTENT);
        if self.allowed.is_some() {
            let headers = reply.headers_mut();
            let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                wanted.cloned().unwrap_or(HEADERS),
            );
            headers.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static(methods),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            if asked
                .get(REQUEST_PRIVATE_NETWORK)
                .is_some_and(|value| value == TRUE)
            {
                headers.insert(ALLOW_PRIVATE_NETWORK, TRUE);
            }
        }
        self.allow(&mut reply);
        reply
    }

    /// Lets the page read a response; with credentials if its origin is named in
    /// the configuration.
    pub fn allow(&self, reply: &mut Reply) {
        let headers = reply.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(allowed) = &self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
            if allowed != ANY {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            }
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
