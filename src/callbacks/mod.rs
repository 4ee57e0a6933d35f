//! Tells others that a task has ended: POSTs what `GET /task/{id}` answers to
//! the `callback_url` of the task, signed as Standard Webhooks has it, until
//! somebody takes it or it is given up.
//!
//! What is to be told, and to whom, is in the [`Outbox`](crate::task::Outbox),
//! written by the tasks themselves; it survives crashes. The message is made
//! when it is sent. One host gets one callback at a time, so that none that is
//! slow or down holds up the others.

mod attempt;
mod plan;
mod secret;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};
use uuid::Uuid;

pub use attempt::Sender;
pub use secret::{Secret, SecretError};

use crate::blocking;
use crate::task::Tasks;
use attempt::{Next, attempt};
use plan::Plan;

/// Delivers callbacks until dropped. What was being sent then is sent again
/// after the next start.
pub async fn deliver(sender: Sender) {
    let mut plan = Plan::default();
    let mut running = JoinSet::new();
    let mut ids: HashMap<Id, Uuid> = HashMap::new();
    for id in found(&sender.tasks).await {
        put(&mut plan, &sender.tasks, id, Instant::now()).await;
    }
    loop {
        while let Some(id) = plan.take(Instant::now()) {
            let attempt = attempt(sender.clone(), id);
            ids.insert(running.spawn(attempt).id(), id);
        }
        let due = plan.next_due();
        tokio::select! {
            fresh = sender.tasks.outbox().next() => {
                for id in fresh {
                    put(&mut plan, &sender.tasks, id, Instant::now()).await;
                }
            }
            Some(ended) = running.join_next_with_id() => {
                let (task, next) = match ended {
                    Ok((task, next)) => (task, next),
                    Err(error) => {
                        error!("a callback ended in the middle: {error}");
                        (error.id(), Next::Never)
                    }
                };
                if let Some(id) = ids.remove(&task) {
                    plan.ended(id);
                    if let Next::After(pause) = next {
                        put(&mut plan, &sender.tasks, id, Instant::now() + pause).await;
                    }
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

/// Those that wait from before the start.
async fn found(tasks: &Arc<Tasks>) -> Vec<Uuid> {
    let tasks = Arc::clone(tasks);
    match blocking::run(move || tasks.outbox().waiting()).await {
        Ok(waiting) => {
            if !waiting.is_empty() {
                info!("{} callbacks wait to be delivered", waiting.len());
            }
            waiting
        }
        Err(error) => {
            error!("callbacks from before the start cannot be read: {error}");
            Vec::new()
        }
    }
}

/// Plans the callback for this task, if there is one.
async fn put(plan: &mut Plan, tasks: &Arc<Tasks>, id: Uuid, due: Instant) {
    let tasks = Arc::clone(tasks);
    let pending = blocking::run(move || tasks.outbox().pending(id)).await;
    match pending {
        Ok(Some(callback)) => plan.put(id, host(&callback.url), due),
        Ok(None) => {}
        Err(error) => error!(task_id = %id, "its callback cannot be read: {error}"),
    }
}

/// Whoever answers for an address.
fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}
