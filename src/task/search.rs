//! Searches among all tasks, without holding up those that change.

use std::sync::Arc;

use uuid::Uuid;

use super::index::{Place, Query};
use super::record::TaskRecord;
use super::tasks::Tasks;

/// A page of tasks. Only their ids are held.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub ids: Vec<Uuid>,
    /// How many there are on all pages.
    pub total: usize,
}

impl Tasks {
    /// A page of tasks. Blocks on the disk, and takes CPU time with the number of
    /// tasks.
    pub fn search(&self, query: &Query) -> Page {
        loop {
            let page = self.find_page(query);
            // Those that a sweep took away are forgotten now.
            let is_gone = |id: &&Uuid| !self.dir(**id).exists() && self.find(**id).is_none();
            if page.ids.iter().filter(is_gone).count() == 0 {
                return page;
            }
        }
    }

    /// A task of a page, unless it was deleted meanwhile.
    pub fn find_on_page(&self, query: &Query, id: Uuid) -> Option<Arc<TaskRecord>> {
        // An id may come to another owner.
        self.find(id)
            .filter(|record| query.owner.is_none() || record.owner == query.owner)
    }

    fn find_page(&self, query: &Query) -> Page {
        let text = query.text.as_ref().map(|text| text.to_lowercase());
        let first = (query.page - 1).saturating_mul(query.page_size);
        let mut page = Page {
            ids: Vec::new(),
            total: 0,
        };
        let mut place = Some(Place::Newest);
        while let Some(from) = place {
            let candidates = self.state().index.candidates(query, from);
            place = candidates.next;
            // Others use the index meanwhile.
            for (id, name) in candidates.tasks {
                let is_match = text.as_ref().is_none_or(|text| {
                    let name = name.as_deref().unwrap_or_default();
                    name.to_lowercase().contains(text)
                });
                if is_match {
                    if page.total >= first && page.ids.len() < query.page_size {
                        page.ids.push(id);
                    }
                    page.total += 1;
                }
            }
        }
        page
    }
}
