//! Headers of requests and responses: one file for each subject.

pub(crate) mod content_type;
pub mod cors;
pub(crate) mod date;
pub(crate) mod disposition;
pub(crate) mod forwarded;
pub mod location;
pub(crate) mod names;
pub mod proxies;
pub(crate) mod proxy_headers;
pub(crate) mod query;
pub(crate) mod request_head;
pub mod requested;
pub(crate) mod site;
pub(crate) mod upload_fields;
pub(crate) mod upload_protocol;
