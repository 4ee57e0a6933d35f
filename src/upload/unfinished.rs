//! The unfinished uploads, to limit their number.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::store::Layout;

/// The disk is the truth: a sweep, in another process, removes uploads without
/// notice, so they are looked for when the limit is reached.
#[derive(Debug, Default)]
pub(super) struct Unfinished(Mutex<HashSet<Uuid>>);

impl Unfinished {
    /// Counts one more; false if that would be more than `most`. Also returns the
    /// uploads that a sweep was found to have removed.
    pub(super) fn admit(&self, id: Uuid, most: usize, layout: &Layout) -> (bool, Vec<Uuid>) {
        let mut ids = self.ids();
        let removed = match ids.len() >= most {
            true => ids
                .extract_if(|id| !layout.upload(*id).exists() && !layout.creation(*id).exists())
                .collect(),
            false => Vec::new(),
        };
        (ids.len() < most && ids.insert(id), removed)
    }

    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.ids().contains(&id)
    }

    pub(super) fn insert(&self, id: Uuid) {
        self.ids().insert(id);
    }

    pub(super) fn remove(&self, id: Uuid) {
        self.ids().remove(&id);
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_allowed_and_swept_ones_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let unfinished = Unfinished::default();
        let ids = [(); 3].map(|()| Uuid::new_v4());
        for id in &ids[..2] {
            assert_eq!(unfinished.admit(*id, 2, &layout), (true, vec![]));
            std::fs::create_dir(layout.upload(*id)).unwrap();
        }
        assert_eq!(unfinished.admit(ids[2], 2, &layout), (false, vec![]));
        std::fs::remove_dir(layout.upload(ids[0])).unwrap();
        assert_eq!(unfinished.admit(ids[2], 2, &layout), (true, vec![ids[0]]));
    }
}
