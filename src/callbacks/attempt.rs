//! One attempt to deliver one callback.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::plan::pause;
use super::secret::Secret;
use crate::blocking;
use crate::outgoing::{Address, Outgoing};
use crate::store::moment::Moment;
use crate::task::{Callback, CallbackStatus, Tasks, document};

/// What it takes to call back.
#[derive(Debug, Clone)]
pub struct Sender {
    /// What is told.
    pub tasks: Arc<Tasks>,
    /// The way there.
    pub outgoing: Arc<Outgoing>,
    /// What it is signed with; `None` where nobody may be called.
    pub secret: Option<Arc<Secret>>,
    /// From the end of a task on.
    pub retry_for: Duration,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is over, or will be told of again.
    Never,
    /// Once more, so much later.
    After(Duration),
}

/// Why it was not delivered.
struct Refused {
    why: String,
    /// Whoever is there does not want to hear of it any more.
    is_final: bool,
}

impl From<String> for Refused {
    fn from(why: String) -> Refused {
        let is_final = false;
        Refused { why, is_final }
    }
}

/// Tries it once, and writes down what came of it.
pub(super) async fn attempt(sender: Sender, id: Uuid) -> Next {
    let tasks = Arc::clone(&sender.tasks);
    let (mut callback, message) = match blocking::run(move || message(&tasks, id)).await {
        Ok(Some(due)) => due,
        Ok(None) => return Next::Never,
        Err(error) => {
            error!(task_id = %id, "its callback cannot be made: {error}");
            return Next::After(pause(u32::MAX, 1.0));
        }
    };
    callback.attempts += 1;
    let sent = send(&sender, &callback, message).await;
    let now = Moment::now();
    let is_over = callback.since.end_of(sender.retry_for, now) <= now.wall();
    let (url, attempts) = (shown(&callback.url), callback.attempts);
    callback.error = None;
    let next = match sent {
        Ok(()) => {
            info!(task_id = %id, "callback delivered to {url}");
            callback.status = CallbackStatus::Delivered;
            Next::Never
        }
        Err(Refused { why, is_final }) if is_final || is_over => {
            warn!(task_id = %id, "callback given up after {attempts} attempts: {url} {why}");
            callback.status = CallbackStatus::Failed;
            callback.error = Some(why);
            Next::Never
        }
        Err(Refused { why, .. }) => {
            if attempts == 1 {
                warn!(task_id = %id, "callback failed, it is tried again: {url} {why}");
            }
            callback.error = Some(why);
            Next::After(pause(attempts, chance()))
        }
    };
    let tasks = Arc::clone(&sender.tasks);
    let settled = blocking::run(move || tasks.outbox().settle(id, &callback));
    if let Err(error) = settled.await {
        error!(task_id = %id, "what became of its callback cannot be stored: {error}");
    }
    next
}

/// What is to be told now, and as what; nothing if the task has not ended (it
/// will be told of) or is there no longer. Blocks on the disk.
fn message(tasks: &Tasks, id: Uuid) -> io::Result<Option<(Callback, Bytes)>> {
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
    let json = serde_json::to_vec(&document(tasks, &record)?)?;
    Ok(Some((callback, json.into())))
}

async fn send(sender: &Sender, callback: &Callback, message: Bytes) -> Result<(), Refused> {
    // Judged anew: the configuration may have changed.
    let address = sender.outgoing.address(&callback.url);
    let address = address.map_err(|bad| bad.to_string())?;
    let Some(secret) = &sender.secret else {
        return Err("cannot be called without a secret".to_owned().into());
    };
    let headers = secret.sign(callback.message_id, jiff::Timestamp::now(), &message);
    let answer = sender.outgoing.call(&address, &headers, message).await;
    match answer.map_err(|failure| failure.to_string())? {
        status if status.is_success() => Ok(()),
        status => Err(Refused {
            why: format!("answers {status}"),
            is_final: status == StatusCode::GONE,
        }),
    }
}

/// For the journal: without what may be secret.
fn shown(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "its address".into(), |address| address.to_string())
}

fn chance() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
