//! Which uploads are admitted: those that are unfinished, and parts that wait to be
//! joined, are limited in number and in the disk space that they reserve. Every
//! owner has a fair share of both.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::error::UploadError;
use super::reservation_use::ReservationUse;
use crate::shares::{Owner, is_fair, require_one_more};
use crate::store::Layout;

/// What is limited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Most uploads.
    pub most: usize,
    /// Disk space that may still be reserved.
    pub free_bytes: u64,
}

/// The uploads admitted. The disk is the truth: a sweep, in another process, removes
/// uploads without notice; see [`Admission::forget_removed`].
#[derive(Debug, Default)]
pub(super) struct Admission(Mutex<HashMap<Uuid, Admitted>>);

#[derive(Debug)]
struct Admitted {
    owner: Owner,
    /// Disk space reserved for bytes that have not been received.
    reserved_bytes: u64,
    offset: u64,
    reservation: ReservationUse,
}

impl Admission {
    /// Admits one more upload, for which `bytes` are going to be reserved.
    pub(super) fn admit(
        &self,
        id: Uuid,
        owner: Owner,
        bytes: u64,
        room: Room,
    ) -> Result<(), UploadError> {
        let mut all = self.all();
        let (count, reserved) = used(&all, &owner, id);
        let free = (room.most as u64).saturating_sub(all.len() as u64);
        require_one_more(count, free, room.most as u64).map_err(UploadError::TooMany)?;
        require_share(reserved, bytes, room.free_bytes)?;
        all.insert(id, Admitted::new(owner, bytes));
        Ok(())
    }

    /// Adds one that start-up found.
    pub(super) fn found(&self, id: Uuid, owner: Owner, reserved_bytes: u64) {
        self.all().insert(id, Admitted::new(owner, reserved_bytes));
    }

    /// Admits a reservation of `bytes` for an upload admitted before, in place of
    /// the one it has.
    pub(super) fn reserve(&self, id: Uuid, bytes: u64, free_bytes: u64) -> Result<(), UploadError> {
        let mut all = self.all();
        let Some(owner) = all.get(&id).map(|one| one.owner.clone()) else {
            return Ok(());
        };
        let (_, reserved) = used(&all, &owner, id);
        require_share(reserved, bytes, free_bytes)?;
        if let Some(one) = all.get_mut(&id) {
            one.reserved_bytes = bytes;
        }
        Ok(())
    }

    /// Notes what an upload has received, and so needs no longer.
    pub(super) fn received(&self, id: Uuid, offset: u64, length: Option<u64>) {
        if let Some(one) = self.all().get_mut(&id) {
            one.offset = offset;
            if let Some(length) = length {
                let missing = length.saturating_sub(offset);
                one.reserved_bytes = one.reserved_bytes.min(missing);
            }
        }
    }

    /// Notes that the reservation of an upload was given up.
    pub(super) fn released(&self, id: Uuid) {
        if let Some(one) = self.all().get_mut(&id) {
            one.reserved_bytes = 0;
        }
    }

    /// The uploads that received next to nothing in the last `life` of their
    /// reservations.
    pub(super) fn unused_reservations(&self, life: Duration) -> Vec<Uuid> {
        let mut all = self.all();
        let unused = all.iter_mut().filter_map(|(id, one)| {
            let is_unused = one.reservation.is_unused(one.offset, life);
            (is_unused && one.reserved_bytes > 0).then_some(*id)
        });
        unused.collect()
    }

    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.all().contains_key(&id)
    }

    pub(super) fn remove(&self, id: Uuid) {
        self.all().remove(&id);
    }

    /// All of them.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.all().keys().copied().collect()
    }

    /// Forgets these uploads where they are not on disk; returns those. Blocks on
    /// the disk.
    pub(super) fn forget_removed(&self, ids: Vec<Uuid>, layout: &Layout) -> Vec<Uuid> {
        // Looked for without the lock.
        let is_gone = |id: &Uuid| !layout.upload(*id).exists() && !layout.creation(*id).exists();
        let gone: Vec<Uuid> = ids.into_iter().filter(is_gone).collect();
        let mut all = self.all();
        gone.into_iter()
            .filter(|id| all.remove(id).is_some())
            .collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Uuid, Admitted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    fn new(owner: Owner, reserved_bytes: u64) -> Admitted {
        Admitted {
            owner,
            reserved_bytes,
            offset: 0,
            reservation: ReservationUse::from(0),
        }
    }
}

/// How many uploads an owner has, and the space reserved for them, without this one.
fn used(all: &HashMap<Uuid, Admitted>, owner: &Owner, without: Uuid) -> (u64, u64) {
    let own = all
        .iter()
        .filter(|(id, one)| one.owner == *owner && **id != without);
    own.fold((0, 0), |(count, bytes): (u64, u64), (_, one)| {
        (count + 1, bytes.saturating_add(one.reserved_bytes))
    })
}

fn require_share(used_bytes: u64, bytes: u64, free_bytes: u64) -> Result<(), UploadError> {
    match bytes == 0 || is_fair(used_bytes, bytes, free_bytes) {
        true => Ok(()),
        false => Err(UploadError::ShareOfSpace {
            bytes,
            used_bytes,
            free_bytes,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::Exceeded;

    const PLENTY: Room = Room {
        most: 1000,
        free_bytes: u64::MAX,
    };

    fn owner(name: &str) -> Owner {
        Owner::Token(name.into())
    }

    fn admit(
        admission: &Admission,
        name: &str,
        bytes: u64,
        room: Room,
    ) -> Result<Uuid, UploadError> {
        let id = Uuid::new_v4();
        admission.admit(id, owner(name), bytes, room).map(|()| id)
    }

    #[test]
    fn one_owner_leaves_places_for_others() {
        let admission = Admission::default();
        let room = Room { most: 4, ..PLENTY };
        let first = admit(&admission, "a", 0, room).unwrap();
        admit(&admission, "a", 0, room).unwrap();
        let refused = admit(&admission, "a", 0, room).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("2 unfinished"), "{text}");
        admit(&admission, "b", 0, room).unwrap();
        let all_but_one = admit(&admission, "b", 0, room);
        assert!(matches!(
            all_but_one,
            Err(UploadError::TooMany(Exceeded::Share { used: 1, whole: 4 }))
        ));
        admit(&admission, "c", 0, room).unwrap();
        assert!(matches!(
            admit(&admission, "d", 0, room),
            Err(UploadError::TooMany(Exceeded::Whole { whole: 4 }))
        ));
        admission.remove(first);
        admit(&admission, "d", 0, room).unwrap();
    }

    #[test]
    fn one_owner_leaves_space_for_others() {
        let admission = Admission::default();
        let free = |free_bytes| Room {
            free_bytes,
            ..PLENTY
        };
        let first = admit(&admission, "a", 40, free(100)).unwrap();
        let refused = admit(&admission, "a", 40, free(60)).unwrap_err();
        assert!(matches!(
            refused,
            UploadError::ShareOfSpace {
                used_bytes: 40,
                free_bytes: 60,
                ..
            }
        ));
        // Another one has space.
        admit(&admission, "b", 30, free(60)).unwrap();
        // What was received is no longer reserved.
        admission.received(first, 40, Some(40));
        admit(&admission, "a", 15, free(30)).unwrap();
        assert!(admission.reserve(first, 20, 30).is_err());
        admission.reserve(first, 5, 30).unwrap();
    }

    #[test]
    fn a_reservation_that_is_not_used_is_noticed() {
        let admission = Admission::default();
        let [slow, fast, empty] =
            [10 << 20, 10 << 20, 0].map(|bytes| admit(&admission, "a", bytes, PLENTY).unwrap());
        admission.received(slow, 5, Some(10 << 20));
        admission.received(fast, 1 << 20, Some(10 << 20));
        let unused = |life| admission.unused_reservations(life);
        assert!(unused(Duration::from_secs(60)).is_empty());
        assert_eq!(unused(Duration::ZERO), [slow], "not {fast}, not {empty}");
        admission.released(slow);
        assert_eq!(unused(Duration::ZERO), [fast], "nothing since");
    }

    #[test]
    fn swept_ones_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let admission = Admission::default();
        let [there, gone] = [(); 2].map(|()| admit(&admission, "a", 0, PLENTY).unwrap());
        std::fs::create_dir(layout.upload(there)).unwrap();
        let forgotten = admission.forget_removed(admission.ids(), &layout);
        assert_eq!(forgotten, [gone]);
        assert!(admission.contains(there) && !admission.contains(gone));
    }
}
