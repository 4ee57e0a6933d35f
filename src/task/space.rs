//! Waiting for disk space: a full disk is no fault of a recording, so its task
//! waits until there is room for the transcript.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};
use uuid::Uuid;

use super::tasks::Tasks;
use super::turn::Interruption;
use crate::blocking;
use crate::store::Free;

/// How often the disk is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// So much more than must stay free is waited for, so that not every segment
/// waits again.
const MARGIN_BYTES: u64 = 256 << 10;

/// Whether a write failed for lack of space.
pub(super) fn is_lacking(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Resolves once the disk has some space beyond `keep_free_bytes`, or with what
/// ends the task before.
pub(super) async fn wait_for_space(
    tasks: &Arc<Tasks>,
    id: Uuid,
    keep_free_bytes: u64,
) -> Result<(), Interruption> {
    let wanted_bytes = keep_free_bytes.saturating_add(MARGIN_BYTES);
    let mut interruption = pin!(tasks.interrupted(id));
    let mut is_told = false;
    loop {
        let dir = tasks.state_dir();
        // One that cannot be looked at says why when it is written to.
        let free = blocking::run(move || Free::at(&dir)).await;
        if free.map_or(true, |free| free.bytes >= wanted_bytes) {
            if is_told {
                info!(task_id = %id, "the disk has space again: the task goes on");
            }
            return Ok(());
        }
        if !std::mem::replace(&mut is_told, true) {
            warn!(
                task_id = %id,
                "the disk of the state directory is full: the task waits until {} MiB are free",
                wanted_bytes.div_ceil(1 << 20)
            );
        }
        tokio::select! {
            interruption = &mut interruption => return Err(interruption),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tasks::tests::finished_upload;
    use super::*;
    use crate::store::Layout;

    #[tokio::test]
    async fn a_task_waits_for_space_until_it_is_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Arc::new(Tasks::new(layout.clone()));
        let id = finished_upload(&layout, "a.wav", 1);
        tasks.adopt(id);
        assert_eq!(tasks.next().await.id, id);
        assert_eq!(wait_for_space(&tasks, id, 0).await, Ok(()));
        let waiting = wait_for_space(&tasks, id, u64::MAX);
        tokio::pin!(waiting);
        let soon = tokio::time::timeout(Duration::from_millis(50), waiting.as_mut()).await;
        assert!(soon.is_err(), "no disk is so large");
        assert!(tasks.cancel(id, "enough").unwrap());
        let cancelled = Interruption::Cancelled("enough".into());
        assert_eq!(waiting.await, Err(cancelled));
    }
}
