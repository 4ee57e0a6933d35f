//! One attempt to deliver a callback.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::StreamBody;
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::HeaderMap;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::plan::backoff;
use super::secret::{Secret, Signer};
use crate::blocking;
use crate::outgoing::{Failure, HttpUrl, Outgoing, UrlError};
use crate::piecewise::{self, Piecewise};
use crate::store::moment::Moment;
use crate::task::{Callback, CallbackStatus, TaskDocument, Tasks};

/// What the delivery of callbacks needs.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The tasks and their outbox.
    pub tasks: Arc<Tasks>,
    /// The HTTP client.
    pub outgoing: Arc<Outgoing>,
    /// The secret that signs callbacks; `None` if callbacks are disabled.
    pub secret: Option<Arc<Secret>>,
    /// How long a callback is retried, from the end of its task on.
    pub retry_for: Duration,
}

/// Whether a callback is attempted again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// Delivered, given up, or the task is gone or running again.
    No,
    /// Again after this delay.
    After(Duration),
}

/// Why a callback was not delivered.
struct DeliveryError {
    reason: String,
    /// There is no further attempt: the receiver wants none (410 Gone), or is this
    /// server.
    is_final: bool,
}

impl From<Failure> for DeliveryError {
    fn from(failure: Failure) -> DeliveryError {
        DeliveryError {
            reason: failure.to_string(),
            // Each attempt would look the name up again.
            is_final: matches!(failure, Failure::Url(UrlError::Own)),
        }
    }
}

impl From<String> for DeliveryError {
    fn from(reason: String) -> DeliveryError {
        let is_final = false;
        DeliveryError { reason, is_final }
    }
}

/// Makes one attempt and stores its outcome.
pub(super) async fn attempt(sender: Sender, id: Uuid) -> Retry {
    let tasks = Arc::clone(&sender.tasks);
    let (mut callback, message) = match blocking::run(move || message(&tasks, id)).await {
        Ok(Some(due)) => due,
        Ok(None) => return Retry::No,
        Err(error) => {
            error!(task_id = %id, "cannot create the callback: {error}");
            return Retry::After(backoff(u32::MAX, 1.0));
        }
    };
    callback.attempts += 1;
    let sent = send(&sender, &callback, &message).await;
    let now = Moment::now();
    let is_expired = callback.since.end_of(sender.retry_for, now) <= now.wall();
    let (url, attempts) = (without_query(&callback.url), callback.attempts);
    callback.error = None;
    let next = match sent {
        Ok(()) => {
            info!(task_id = %id, "callback delivered to {url}");
            callback.status = CallbackStatus::Delivered;
            Retry::No
        }
        Err(DeliveryError { reason, is_final }) if is_final || is_expired => {
            warn!(task_id = %id, "callback given up after {attempts} attempts: {url} {reason}");
            callback.status = CallbackStatus::Failed;
            callback.error = Some(reason);
            Retry::No
        }
        Err(DeliveryError { reason, .. }) => {
            if attempts == 1 {
                warn!(task_id = %id, "callback failed and will be retried: {url} {reason}");
            }
            callback.error = Some(reason);
            Retry::After(backoff(attempts, jitter()))
        }
    };
    let tasks = Arc::clone(&sender.tasks);
    let settled = blocking::run(move || tasks.outbox().settle(id, &callback));
    if let Err(error) = settled.await {
        error!(task_id = %id, "cannot store the outcome of the callback: {error}");
    }
    next
}

/// The pending callback of a task and its body; `None` if there is none, if the
/// task has not ended (the callback is sent when it does) or if the task no
/// longer exists. Blocks on the disk.
fn message(tasks: &Tasks, id: Uuid) -> io::Result<Option<(Callback, TaskDocument)>> {
    let Some(callback) = tasks.outbox().pending(id)? else {
        return Ok(None);
    };
    let Some(record) = tasks.find(id) else {
        tasks.outbox().forget(id)?;
        return Ok(None);
    };
    if !record.has_ended() {
        return Ok(None);
    }
    Ok(Some((callback, TaskDocument::of(tasks, &record)?)))
}

/// The body is made twice, piece by piece: for its signature, which precedes it,
/// and while it is sent.
async fn send(
    sender: &Sender,
    callback: &Callback,
    message: &TaskDocument,
) -> Result<(), DeliveryError> {
    // Checked again: the configuration may have changed.
    let url = sender.outgoing.url(&callback.url);
    let url = url.map_err(Failure::Url)?;
    let Some(secret) = &sender.secret else {
        return Err("cannot be called without a secret".to_owned().into());
    };
    let signer = secret.signer(callback.message_id, jiff::Timestamp::now());
    let signed = sign(message, signer).await;
    let (headers, length) = signed.map_err(|error| format!("cannot be sent: {error}"))?;
    let pieces = piecewise::stream(Some(message.json()));
    let body = StreamBody::new(pieces.map(|piece| piece.map(Frame::data)));
    let status = sender.outgoing.post(&url, &headers, length, body).await;
    match status? {
        status if status.is_success() => Ok(()),
        status => Err(DeliveryError {
            reason: format!("answers {status}"),
            is_final: status == StatusCode::GONE,
        }),
    }
}

/// The headers that authenticate a message, and its length in bytes.
async fn sign(message: &TaskDocument, mut signer: Signer) -> io::Result<(HeaderMap, u64)> {
    let (mut rest, mut length) = (Some(message.json()), 0);
    while let Some(document) = rest {
        (signer, length, rest) = blocking::compute(move || {
            let (piece, rest) = document.split()?;
            signer.update(&piece);
            Ok::<_, io::Error>((signer, length + piece.len() as u64, rest))
        })
        .await?;
    }
    Ok((signer.headers(), length))
}

/// A URL for the journal, without its query, which may contain a secret.
fn without_query(url: &str) -> String {
    HttpUrl::parse(url).map_or_else(|_| "its URL".into(), |url| url.to_string())
}

fn jitter() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
