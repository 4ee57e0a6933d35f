//! What lists need to know of every task, about 200 bytes each (I9).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::record::{Status, TaskRecord};

/// Which tasks to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Part of the file name, in any case.
    pub text: Option<String>,
    /// Only these.
    pub status: Option<Status>,
    /// Only those of this owner; `None`: of all.
    pub owner: Option<String>,
    /// From 1.
    pub page: usize,
    /// Tasks on a page.
    pub page_size: usize,
}

/// Tasks that a search looks at before it lets others use the index.
const STEP_TASKS: usize = 256;

/// How far a search is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// At its begin.
    Newest,
    /// After all but those older than this task.
    Before((Timestamp, Uuid)),
}

/// Some tasks that a search may be looking for.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Their ids and file names.
    pub tasks: Vec<(Uuid, Option<Arc<str>>)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// All known tasks. Of those that have ended only what is searched for is
/// held; the rest is read from disk when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: HashMap<Uuid, Entry>,
    /// The same, oldest first.
    order: BTreeSet<(Timestamp, Uuid)>,
    /// Every name of an owner once.
    owners: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    created_at: Timestamp,
    status: Status,
    owner: Option<Arc<str>>,
    file_name: Option<Arc<str>>,
    held: Option<Arc<TaskRecord>>,
}

/// Where a task's record is to be found.
#[derive(Debug)]
pub(super) enum Known {
    /// Here.
    Held(Arc<TaskRecord>),
    /// It has ended: on disk.
    OnDisk,
}

impl Index {
    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.entries.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: Uuid) -> Option<Known> {
        self.entries.get(&id).map(|entry| match &entry.held {
            Some(record) => Known::Held(Arc::clone(record)),
            None => Known::OnDisk,
        })
    }

    /// A record that must be held.
    pub(super) fn held(&self, id: Uuid) -> Option<Arc<TaskRecord>> {
        self.entries.get(&id)?.held.clone()
    }

    /// A new task, or another state of a known one. `is_on_disk`: its
    /// record can be read there.
    pub(super) fn put(&mut self, record: TaskRecord, is_on_disk: bool) {
        let owner = record.owner.as_deref().map(|owner| self.owner(owner));
        self.order.insert((record.created_at, record.id));
        let has_ended = record.has_ended();
        let (id, created_at, status) = (record.id, record.created_at, record.status);
        let file_name = record.file_name.as_deref().map(Arc::from);
        let entry = Entry {
            created_at,
            status,
            owner,
            file_name,
            held: (!has_ended || !is_on_disk).then(|| Arc::new(record)),
        };
        self.entries.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: Uuid) {
        if let Some(entry) = self.entries.remove(&id) {
            self.order.remove(&(entry.created_at, id));
        }
    }

    pub(super) fn created_at(&self, id: Uuid) -> Option<Timestamp> {
        self.entries.get(&id).map(|entry| entry.created_at)
    }

    /// The next tasks of a search, newest first: of those before `place` as many as
    /// can be looked at in no time. Their names are compared later.
    pub(super) fn candidates(&self, query: &Query, place: Place) -> Candidates {
        let before = match place {
            Place::Newest => Bound::Unbounded,
            Place::Before(task) => Bound::Excluded(task),
        };
        let mut tasks = Vec::with_capacity(STEP_TASKS);
        let mut last = None;
        for (created_at, id) in self
            .order
            .range((Bound::Unbounded, before))
            .rev()
            .take(STEP_TASKS)
        {
            last = Some(Place::Before((*created_at, *id)));
            let matching = self.entries.get(id).filter(|entry| {
                query.status.is_none_or(|status| entry.status == status)
                    && (query.owner.is_none() || entry.owner.as_deref() == query.owner.as_deref())
            });
            tasks.extend(matching.map(|entry| (*id, entry.file_name.clone())));
        }
        Candidates { tasks, next: last }
    }

    fn owner(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.owners.get(name) {
            return Arc::clone(known);
        }
        let owner: Arc<str> = name.into();
        self.owners.insert(Arc::clone(&owner));
        owner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::facts::Facts;

    fn put(index: &mut Index, second: i64) -> Uuid {
        let facts = Facts {
            id: Uuid::new_v4(),
            created_at: Timestamp::from_second(second).unwrap(),
            ..Facts::default()
        };
        let id = facts.id;
        index.put(TaskRecord::queued(facts), true);
        id
    }

    #[test]
    fn a_search_looks_at_few_tasks_at_a_time_while_others_come_and_go() {
        let mut index = Index::default();
        // Several at the same moment.
        let mut ids: Vec<Uuid> = (0..3000).map(|n| put(&mut index, n / 700)).collect();
        let query = Query::default();
        let (mut place, mut found) = (Some(Place::Newest), Vec::new());
        while let Some(from) = place {
            let candidates = index.candidates(&query, from);
            assert!(candidates.tasks.len() <= STEP_TASKS);
            found.extend(candidates.tasks.into_iter().map(|(id, _)| id));
            place = candidates.next;
            // One that was found, and newer ones: no other is missed for them.
            if let Some(id) = found.last() {
                index.remove(*id);
                put(&mut index, 1 << 20);
            }
        }
        found.sort();
        ids.sort();
        assert_eq!(found, ids);
    }
}
