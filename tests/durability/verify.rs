//! Starts the daemon on what a crash left and holds it to its promises.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::appliance::{Engine, start, state_dir};
use crate::client::head_of;
use crate::story::{Expected, Story};
use crate::support::http::{get, request};
use crate::support::random::Random;
use crate::support::task;
use crate::support::tus::{CONTENT, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

/// A promise that was not kept, told for people: which one, of what, how.
pub type Violation = String;

/// What a crash at some point may leave.
pub struct Claims {
    /// By id.
    pub uploads: BTreeMap<String, Expected>,
    /// What was sent, by id; also of uploads that came later.
    pub contents: BTreeMap<String, Arc<[u8]>>,
    /// Transcripts of the recordings, by content.
    pub texts: BTreeMap<Arc<[u8]>, String>,
}

impl Claims {
    /// Those of a crash at this position.
    pub fn at(story: &Story, position: usize, texts: BTreeMap<Arc<[u8]>, String>) -> Claims {
        Claims {
            uploads: story.expected(position),
            contents: story.contents(),
            texts,
        }
    }
}

/// Checks everything on a mounted disk. With the real engine it also waits
/// for every task and compares the transcripts.
pub fn verify(disk: &Path, claims: Claims, engine: Engine, random: &mut Random) -> Vec<Violation> {
    let mut check = Check {
        disk,
        claims,
        seen: BTreeMap::new(),
        violations: Vec::new(),
    };
    // Helpers panic where nothing sensible can be answered any more.
    let ended = catch_unwind(AssertUnwindSafe(|| check.run(engine, random)));
    if let Err(panic) = ended {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        check
            .violations
            .push(format!("I6: the daemon cannot be used: {text}"));
    }
    check.violations
}

struct Check<'a> {
    disk: &'a Path,
    claims: Claims,
    /// What this daemon told.
    seen: BTreeMap<String, Seen>,
    violations: Vec<Violation>,
}

/// How an upload was found.
#[derive(Debug, Clone, Copy)]
struct Seen {
    offset: u64,
    measured: bool,
}

impl Check<'_> {
    fn run(&mut self, engine: Engine, random: &mut Random) {
        let mut daemon = start(self.disk, engine);
        let address = daemon.address();
        self.look(address);
        self.resume_one(address, random);
        if engine == Engine::Real {
            self.wait_for_transcripts(address);
        }
        daemon.kill9();
        if random.one_in(4) {
            // What this daemon told counts for the next one.
            for (id, expected) in &mut self.claims.uploads {
                match self.seen.get(id) {
                    Some(seen) => expected.told = Some(seen.offset),
                    None => expected.gone = true,
                }
            }
            daemon.start_again();
            self.look(daemon.address());
            daemon.kill9();
        }
    }

    /// Asks about everything.
    fn look(&mut self, address: SocketAddr) {
        // What was about to be joined is joined by now.
        for id in self.claims.uploads.keys() {
            head_of(address, id);
        }
        let tasks = all_tasks(address);
        for folder in entries(&state_dir(self.disk).join("damaged")) {
            let id = folder.split('.').next().unwrap_or_default();
            let upload = self.claims.uploads.get(id);
            if !upload.is_some_and(|upload| upload.condemned) {
                self.violated("I6", &folder, "was set aside as damaged");
            }
        }
        for folder in entries(&state_dir(self.disk).join("uploads")) {
            // Parts are asked for without a name.
            if is_part(self.disk, &folder) {
                if get(address, &format!("/task/{folder}")).status == 200 {
                    self.violated("I4", &folder, "is a part and has a task");
                }
            } else if !self.claims.uploads.contains_key(&folder) {
                self.violated("I2", &folder, "was never asked for");
            }
        }
        self.seen.clear();
        for (id, expected) in self.claims.uploads.clone() {
            self.look_at(address, &id, &expected, &tasks);
        }
    }

    fn look_at(&mut self, address: SocketAddr, id: &str, expected: &Expected, tasks: &[String]) {
        let path = format!("{FILES}{id}");
        let head = request(address, "HEAD", &path, &[RESUMABLE], None).expect("an answer");
        let told = expected.told;
        let task = get(address, &format!("/task/{id}"));
        let listed = tasks.iter().filter(|task| *task == id).count();
        match head.status {
            200 if expected.gone => return self.violated("gone", id, "is there again"),
            200 => {}
            410 if expected.condemned => return,
            404 => {
                let excused = expected.may_be_gone || expected.gone || expected.condemned;
                if told.is_some() && !excused {
                    self.violated("I1", id, &format!("is lost, {told:?} was told"));
                }
                if task.status != 404 || listed != 0 {
                    self.violated("gone", id, "is gone, but its task is there");
                }
                return;
            }
            status => return self.violated("I1", id, &format!("HEAD says {status}")),
        }
        let offset = head.number("upload-offset").expect("Upload-Offset");
        let length = head.number("upload-length");
        let measured = length.is_some();
        self.seen.insert(id.to_owned(), Seen { offset, measured });
        if expected.measured && !measured {
            self.violated("I1", id, "has lost its length");
        }
        if told > Some(offset) {
            self.violated("I1/I7", id, &format!("is at {offset}, {told:?} was told"));
        }
        if offset > expected.sent {
            let sent = expected.sent;
            self.violated("I2", id, &format!("is at {offset}, only {sent} were sent"));
        }
        self.compare(id, offset);
        let finished = length == Some(offset);
        let (status, times) = match finished {
            true => (200, 1),
            false => (404, 0),
        };
        if (task.status, listed) != (status, times) {
            let found = task.status;
            let details = format!(
                "finished: {finished}; its task answers {found} and is listed {listed} times"
            );
            self.violated("I4", id, &details);
        } else if let Some(result) = &expected.completed {
            let task = task.json();
            if task["status"] != "completed" || task["result"] != *result {
                self.violated("I3", id, &format!("was completed, is now {task}"));
            }
        }
    }

    /// The bytes up to the offset are those that were sent.
    fn compare(&mut self, id: &str, offset: u64) {
        let path = state_dir(self.disk).join("uploads").join(id).join("data");
        let data = std::fs::read(path).unwrap_or_default();
        let sent = &self.claims.contents[id];
        let count = (offset as usize).min(sent.len());
        let Some(kept) = data.get(..count) else {
            let length = data.len();
            return self.violated(
                "I2",
                id,
                &format!("is at {offset}, its file has {length} bytes"),
            );
        };
        if let Some(wrong) = (0..count).find(|&at| kept[at] != sent[at]) {
            self.violated(
                "I2",
                id,
                &format!("is at {offset}, byte {wrong} is another one"),
            );
        }
    }

    /// Goes on with some unfinished upload to its end.
    fn resume_one(&mut self, address: SocketAddr, random: &mut Random) {
        let contents = &self.claims.contents;
        let unfinished: Vec<(String, Seen)> = self
            .seen
            .iter()
            .map(|(id, seen)| (id.clone(), *seen))
            .filter(|(id, seen)| !seen.measured || seen.offset < contents[id].len() as u64)
            .collect();
        if unfinished.is_empty() {
            return;
        }
        let (id, seen) = random.pick(&unfinished).clone();
        let content = Arc::clone(&contents[&id]);
        let length = content.len() as u64;
        let path = format!("{FILES}{id}");
        if !seen.measured {
            let (offset, length) = (seen.offset.to_string(), length.to_string());
            let headers = [
                RESUMABLE,
                CONTENT,
                ("Upload-Offset", &*offset),
                ("Upload-Length", &*length),
            ];
            request(address, "PATCH", &path, &headers, Some(b""))
                .expect("an answer")
                .expect(204, "the length of a resumed upload");
        }
        Upload { address, path }.finish(&content, content.len() / 2 + 1);
        let whole = Seen {
            offset: length,
            measured: true,
        };
        self.seen.insert(id.clone(), whole);
        if let Some(expected) = self.claims.uploads.get_mut(&id) {
            expected.sent = length;
        }
        self.compare(&id, length);
        let listed = all_tasks(address)
            .iter()
            .filter(|task| **task == id)
            .count();
        if listed != 1 {
            self.violated("I4", &id, &format!("was resumed and is {listed} tasks"));
        }
    }

    /// Every task ends, and recordings end as they did when nothing crashed.
    fn wait_for_transcripts(&mut self, address: SocketAddr) {
        for id in all_tasks(address) {
            let ended = task::ended(address, &id);
            let content = &self.claims.contents[&id];
            let Some(text) = self.claims.texts.get(content) else {
                continue;
            };
            if ended["status"] != "completed" || text_of(&ended["result"]) != *text {
                self.violated("I3", &id, &format!("{text:?} has become {ended}"));
            }
        }
    }

    fn violated(&mut self, promise: &str, id: &str, details: &str) {
        self.violations.push(format!("{promise}: {id} {details}"));
    }
}

/// The words of a result.
pub fn text_of(result: &Value) -> String {
    task::text(&task::segments(result))
}

/// The ids of all tasks, once the daemon knows them all.
fn all_tasks(address: SocketAddr) -> Vec<String> {
    let mut ids = Vec::new();
    for page in 1.. {
        let target = format!("/task/all?page_size=200&page={page}");
        let all = until("the daemon knows its tasks", || {
            let response = get(address, &target);
            (response.status == 200).then(|| response.json())
        });
        let tasks = all["tasks"].as_array().expect("tasks");
        ids.extend(
            tasks
                .iter()
                .filter_map(|task| task["identifier"].as_str().map(str::to_owned)),
        );
        if tasks.is_empty() || ids.len() as u64 >= all["total"].as_u64().unwrap_or(0) {
            break;
        }
    }
    ids
}

fn is_part(disk: &Path, id: &str) -> bool {
    let facts = state_dir(disk).join("uploads").join(id).join("upload.json");
    std::fs::read_to_string(facts).is_ok_and(|facts| facts.contains("\"told\": \"partial\""))
}

fn entries(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
