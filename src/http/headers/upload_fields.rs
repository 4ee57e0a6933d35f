//! Headers of the resumable-upload draft that several responses carry.

use std::time::SystemTime;

use super::names::{UPLOAD_COMPLETE, UPLOAD_INCOMPLETE};
use super::upload_protocol::Interop;
use crate::http::reply::{self, Reply};

/// The value of Upload-Limit, of an upload or of future ones.
pub fn limits(max_size_bytes: u64, expires: Option<SystemTime>) -> String {
    let mut limits = format!("max-size={max_size_bytes}, min-size=0");
    let left = expires.and_then(|expires| expires.duration_since(SystemTime::now()).ok());
    if let Some(left) = left {
        limits += &format!(", max-age={}", left.as_secs());
    }
    limits
}

/// Sets Upload-Complete, or Upload-Incomplete in version 3.
pub fn set_complete(reply: &mut Reply, is_complete: bool, interop: Interop) {
    let (name, value) = match interop {
        Interop::V3 => (UPLOAD_INCOMPLETE, !is_complete),
        _ => (UPLOAD_COMPLETE, is_complete),
    };
    reply::set(reply, name, if value { "?1" } else { "?0" });
}
