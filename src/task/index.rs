//! What lists need to know of every task, about 200 bytes each (I9).

use std::collections::{BTreeSet, HashMap, HashSet};
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
    file_name: Option<Box<str>>,
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
        let file_name = record.file_name.as_deref().map(Box::from);
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

    /// The tasks of a page, newest first, and how many there are on all pages.
    pub(super) fn page(&self, query: &Query) -> (Vec<Uuid>, usize) {
        let text = query.text.as_ref().map(|text| text.to_lowercase());
        let matching = self
            .order
            .iter()
            .rev()
            .filter_map(|(_, id)| Some((id, self.entries.get(id)?)))
            .filter(|(_, entry)| query.status.is_none_or(|status| entry.status == status))
            .filter(|(_, entry)| {
                query.owner.is_none() || entry.owner.as_deref() == query.owner.as_deref()
            })
            .filter(|(_, entry)| {
                text.as_ref().is_none_or(|text| {
                    let name = entry.file_name.as_deref().unwrap_or_default();
                    name.to_lowercase().contains(text)
                })
            });
        let mut page = Vec::new();
        let mut total = 0;
        let first = (query.page - 1).saturating_mul(query.page_size);
        for (id, _) in matching {
            if total >= first && page.len() < query.page_size {
                page.push(*id);
            }
            total += 1;
        }
        (page, total)
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
