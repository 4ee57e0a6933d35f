//! Delivers webhooks when tasks end: POSTs what `GET /task/{id}` answers to the
//! task's `callback_url`, signed according to Standard Webhooks, until the
//! receiver accepts it or it is given up.
//!
//! Pending callbacks are in the [`Outbox`](crate::task::Outbox), which the tasks
//! write to and which survives crashes. The body is created when it is sent.
//! Each host gets one callback at a time, so that a slow or unreachable host does
//! not delay the others.

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
use attempt::{Retry, attempt};
use plan::Plan;

/// Delivers callbacks until dropped. A callback that was being sent then is sent
/// again after the next start.
pub async fn deliver(sender: Sender) {
    let mut plan = Plan::default();
    let mut running = JoinSet::new();
    let mut ids: HashMap<Id, Uuid> = HashMap::new();
    for id in pending_at_start(&sender.tasks).await {
        schedule(&mut plan, &sender.tasks, id, Instant::now()).await;
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
                    schedule(&mut plan, &sender.tasks, id, Instant::now()).await;
                }
            }
            Some(ended) = running.join_next_with_id() => {
                let (task, retry) = match ended {
                    Ok((task, retry)) => (task, retry),
                    Err(error) => {
                        error!("the delivery of a callback panicked: {error}");
                        (error.id(), Retry::No)
                    }
                };
                if let Some(id) = ids.remove(&task) {
                    plan.finish(id);
                    if let Retry::After(delay) = retry {
                        schedule(&mut plan, &sender.tasks, id, Instant::now() + delay).await;
                    }
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

/// The callbacks that were pending before the start.
async fn pending_at_start(tasks: &Arc<Tasks>) -> Vec<Uuid> {
    let tasks = Arc::clone(tasks);
    match blocking::run(move || tasks.outbox().waiting()).await {
        Ok(waiting) => {
            if !waiting.is_empty() {
                info!("{} callbacks are pending", waiting.len());
            }
            waiting
        }
        Err(error) => {
            error!("cannot read the pending callbacks: {error}");
            Vec::new()
        }
    }
}

/// Schedules the callback of this task, if it has a pending one.
async fn schedule(plan: &mut Plan, tasks: &Arc<Tasks>, id: Uuid, due: Instant) {
    let tasks = Arc::clone(tasks);
    let pending = blocking::run(move || tasks.outbox().pending(id)).await;
    match pending {
        Ok(Some(callback)) => plan.insert(id, host(&callback.url), due),
        Ok(None) => {}
        Err(error) => error!(task_id = %id, "cannot read the callback: {error}"),
    }
}

/// The authority of a URL.
fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}
