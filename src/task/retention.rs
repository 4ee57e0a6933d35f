//! How long recordings and transcripts are kept, and taking away what is older.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::outbox::Outbox;
use super::record::{Status, TaskRecord};
use super::transcript;
use crate::models;
use crate::store::Layout;
use crate::store::folder::{OpenError, Parked, peek_record};
use crate::store::moment::Moment;

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Until it is deleted.
    Forever,
    /// For this long after the transcription was completed.
    For(Duration),
}

/// What is kept for how long. Nothing is taken away of a task that is not
/// completed, nor the recording of one that only the demo model heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The recordings.
    pub recordings: Keep,
    /// The transcripts.
    pub transcripts: Keep,
}

/// What was taken away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Recordings.
    pub recordings: u64,
    /// Transcripts.
    pub transcripts: u64,
    /// Disk space of both.
    pub freed_bytes: u64,
}

impl Keep {
    fn is_over(self, completed: Moment, now: Moment) -> bool {
        match self {
            Keep::Forever => false,
            Keep::For(period) => completed.end_of(period, now) <= now.wall(),
        }
    }
}

/// One pass over all tasks, safe beside a running daemon. A task of which
/// neither recording nor transcript is left goes as a whole. Blocks on the disk.
pub fn sweep(layout: &Layout, retention: Retention) -> io::Result<Removed> {
    sweep_at(layout, retention, Moment::now())
}

fn sweep_at(layout: &Layout, retention: Retention, now: Moment) -> io::Result<Removed> {
    let mut removed = Removed::default();
    if (retention.recordings, retention.transcripts) == (Keep::Forever, Keep::Forever) {
        return Ok(removed);
    }
    for entry in std::fs::read_dir(layout.uploads())? {
        let dir = entry?.path();
        let due = Due::of(layout, &dir, retention, now);
        if !due.recording && !due.transcript {
            continue;
        }
        let Some(id) = dir.file_name().and_then(Layout::id_of) else {
            continue;
        };
        let parked = match Parked::lock(layout, id) {
            Ok(parked) => parked,
            Err(OpenError::Io(error)) => return Err(error),
            Err(_) => continue,
        };
        // Judged again: before the lock it may have been another task's time.
        let due = Due::of(layout, &dir, retention, now);
        removed.recordings += u64::from(due.recording);
        removed.transcripts += u64::from(due.transcript);
        removed.freed_bytes += match due.leaves_nothing(&dir, &parked) {
            true => parked.remove(layout)?,
            false => {
                let mut freed_bytes = 0;
                if due.recording {
                    freed_bytes += parked.remove_recording()?;
                }
                if due.transcript {
                    freed_bytes += transcript::remove(&dir)?;
                }
                freed_bytes
            }
        };
    }
    Ok(removed)
}

/// What of a task is past its time and still there.
struct Due {
    recording: bool,
    transcript: bool,
}

impl Due {
    fn of(layout: &Layout, dir: &Path, retention: Retention, now: Moment) -> Due {
        let mut due = Due {
            recording: false,
            transcript: false,
        };
        let finished = peek_record(dir).is_ok_and(|record| record.is_finished());
        if finished
            && let Ok(Some(task)) = TaskRecord::load(dir)
            && task.status == Status::Completed
            && let Some(completed) = task.ended
        {
            // A callback brings it; that is given up in time.
            due.transcript = retention.transcripts.is_over(completed, now)
                && transcript::exists(dir)
                && !Outbox::holds(layout, task.id);
            due.recording = retention.recordings.is_over(completed, now)
                && task.model.is_some_and(|model| model != models::DEMO)
                && Parked::has_recording(dir);
        }
        due
    }

    fn leaves_nothing(&self, dir: &Path, parked: &Parked) -> bool {
        (self.recording || !Parked::has_recording(dir) || parked.record.offset == 0)
            && (self.transcript || !transcript::exists(dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Segment;
    use crate::store::facts::Facts;
    use crate::store::record::Record;
    use uuid::Uuid;

    const HOUR: Duration = Duration::from_secs(3600);

    const ENDED: Moment = Moment {
        wall_ms: 10_000 * 3_600_000,
        since_boot_ms: 60_000,
    };

    fn two_hours_later(since_boot_ms: u64) -> Moment {
        Moment {
            wall_ms: ENDED.wall_ms + 2 * 3_600_000,
            since_boot_ms: ENDED.since_boot_ms + since_boot_ms,
        }
    }

    /// A task that has ended.
    fn task(layout: &Layout, status: Status, model: &str) -> Uuid {
        let id = Uuid::new_v4();
        let dir = layout.upload(id);
        std::fs::create_dir(&dir).unwrap();
        let record = Record::new(Some(4), ENDED).advanced(4, ENDED);
        std::fs::write(dir.join("offset"), record.encode_file()).unwrap();
        std::fs::write(dir.join("data"), "data").unwrap();
        let (mut part, _) = transcript::Part::begin(&dir, "base").unwrap();
        part.push(&Segment {
            start: 0.0,
            end: 1.0,
            text: "stop".into(),
            ..Segment::default()
        })
        .unwrap();
        part.finish().unwrap();
        let mut task = TaskRecord::queued(Facts {
            id,
            created_at: jiff::Timestamp::now(),
            ..Facts::default()
        });
        task.status = status;
        task.model = Some(model.into());
        task.ended = Some(ENDED);
        task.save(&dir).unwrap();
        id
    }

    #[test]
    fn what_is_past_its_time_goes_and_nothing_else() {
        let cases = [
            // recordings, transcripts, status, model: recording, transcript, folder left
            (
                Keep::For(HOUR),
                Keep::Forever,
                Status::Completed,
                "base",
                (false, true, true),
            ),
            (
                Keep::For(3 * HOUR),
                Keep::Forever,
                Status::Completed,
                "base",
                (true, true, true),
            ),
            (
                Keep::For(HOUR),
                Keep::Forever,
                Status::Completed,
                "demo",
                (true, true, true),
            ),
            (
                Keep::For(HOUR),
                Keep::For(HOUR),
                Status::Failed,
                "base",
                (true, true, true),
            ),
            (
                Keep::For(HOUR),
                Keep::For(HOUR),
                Status::Queued,
                "base",
                (true, true, true),
            ),
            (
                Keep::Forever,
                Keep::For(HOUR),
                Status::Completed,
                "base",
                (true, false, true),
            ),
            (
                Keep::For(HOUR),
                Keep::For(HOUR),
                Status::Completed,
                "base",
                (false, false, false),
            ),
        ];
        for (recordings, transcripts, status, model, left) in cases {
            let dir = tempfile::tempdir().unwrap();
            let layout = Layout::prepare(dir.path()).unwrap();
            let folder = layout.upload(task(&layout, status, model));
            let retention = Retention {
                recordings,
                transcripts,
            };
            let jumped = two_hours_later(5_000);
            let too_early = sweep_at(&layout, retention, jumped).unwrap();
            assert_eq!(too_early, Removed::default(), "the wall clock jumped");
            let now = two_hours_later(2 * 3_600_000);
            sweep_at(&layout, retention, now).unwrap();
            let found = (
                folder.join("data").exists(),
                transcript::exists(&folder),
                folder.exists(),
            );
            assert_eq!(found, left, "{retention:?} {status:?} {model}");
            assert_eq!(
                sweep_at(&layout, retention, now).unwrap(),
                Removed::default(),
                "again"
            );
        }
    }

    #[test]
    fn a_transcript_stays_while_somebody_is_to_be_told() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let id = task(&layout, Status::Completed, "base");
        let retention = Retention {
            recordings: Keep::For(HOUR),
            transcripts: Keep::For(HOUR),
        };
        let waits = layout.callbacks().join(id.to_string());
        std::fs::write(&waits, "{}").unwrap();
        let now = two_hours_later(2 * 3_600_000);
        let removed = sweep_at(&layout, retention, now).unwrap();
        assert_eq!((removed.recordings, removed.transcripts), (1, 0));
        std::fs::remove_file(waits).unwrap();
        let removed = sweep_at(&layout, retention, now).unwrap();
        assert_eq!((removed.recordings, removed.transcripts), (0, 1));
        assert!(!layout.upload(id).exists());
    }
}
