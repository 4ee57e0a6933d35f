//! Several users of one engine: hours of recordings, dear options and requests in a
//! loop cost their sender time, and others little.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fixtures::form::{FORM, form, part};
use crate::fixtures::tokens;
use crate::fixtures::transcription::long_recording;
use crate::fixtures::wer::Tally;
use crate::support::daemon::Daemon;
use crate::support::http::request;
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::waiting::until;

/// How much longer than on an idle machine a short recording may take beside
/// others.
const TIMES: u32 = 10;

/// And so much for the turn of another that runs, and for what it computes then.
const TURN: Duration = Duration::from_secs(60);

/// A user with a token of his own.
struct User {
    address: SocketAddr,
    authorization: String,
}

impl User {
    fn new(daemon: &Daemon, name: &str) -> User {
        let token = tokens::add(daemon, &[name]);
        User {
            address: daemon.address(),
            authorization: format!("Bearer {token}"),
        }
    }

    fn header(&self) -> (&str, &str) {
        ("Authorization", &self.authorization)
    }

    /// Sends a recording, and returns the id of its task.
    fn send(&self, query: &str, name: &str, recording: &[u8]) -> String {
        let file = format!("; name=\"file\"; filename=\"{name}\"");
        let body = form(&[part(&file, recording)]);
        let target = format!("/speech-to-text{query}");
        let headers = [FORM, self.header()];
        let answer = request(self.address, "POST", &target, &headers, Some(&body)).unwrap();
        task::text_of(&answer.expect(200, "a recording").json(), "identifier").to_owned()
    }

    fn get(&self, target: &str) -> Value {
        let answer = request(self.address, "GET", target, &[self.header()], None).unwrap();
        answer.expect(200, target).json()
    }

    /// A task once it is completed, and how long that took.
    fn completed(&self, id: &str) -> (Value, Duration) {
        let begun = Instant::now();
        let found = until("the task is completed", || {
            let found = self.get(&format!("/task/{id}"));
            assert_ne!(found["status"], "failed", "{found}");
            (found["status"] == "completed").then_some(found)
        });
        (found, begun.elapsed())
    }

    /// How long a short recording takes, which must be understood.
    fn transcribes(&self, spoken: &Spoken) -> Duration {
        let id = self.send("", "short.wav", &spoken.bytes());
        let (found, took) = self.completed(&id);
        assert_heard(&found, spoken, 25.0);
        took
    }

    fn progress(&self, id: &str) -> Value {
        self.get(&format!("/tasks/{id}/progress"))
    }
}

/// Some words may be misheard; none may be missing or come twice.
#[track_caller]
fn assert_heard(found: &Value, spoken: &Spoken, percent: f64) {
    let heard = task::text(&task::segments(&found["result"]));
    let tally = Tally::of(&spoken.text(), &heard);
    assert!(tally.percent() <= percent, "{tally:?} {heard}");
}

/// A daemon with tokens whose engine is warm, and two users of it.
fn two_users() -> (Daemon, User, User) {
    let daemon = tokens::daemon("");
    let [honest, other] = ["honest", "other"].map(|name| User::new(&daemon, name));
    tokens::reload(&daemon);
    honest.transcribes(&short(1));
    (daemon, honest, other)
}

fn short(seed: u64) -> Spoken {
    speech::speak(Script {
        phrases: 2,
        pause_ds: (5, 10),
        ..Script::short(VOICES[1], seed)
    })
}

/// Hours of silence, in less than a megabyte per hour.
fn silence(hours: u32) -> PathBuf {
    speech::cached(&("hours of silence", hours), "flac", |path| {
        let source = "anullsrc=r=16000:cl=mono";
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source]);
        let length_s = (hours * 3600).to_string();
        ffmpeg.args(["-t", &length_s, "-c:a", "flac"]).arg(path);
        speech::run(&mut ffmpeg);
    })
}

#[test]
fn hours_of_recordings_and_dear_options_of_one_hardly_delay_another() {
    let (daemon, honest, other) = two_users();
    let quiet = honest.transcribes(&short(2));
    let limit = quiet * TIMES + TURN;
    let hours = std::fs::read(silence(6)).unwrap();
    let long = long_recording().bytes();
    let ids: Vec<String> = (0..20)
        .map(|number| match number % 2 {
            0 => other.send("", "hours.flac", &hours),
            _ => other.send("?beam_size=8", "long.wav", &long),
        })
        .collect();
    until("the engine is busy", || {
        (other.progress(&ids[0])["stage"] == "transcribing").then_some(())
    });
    for seed in 3..6 {
        let took = honest.transcribes(&short(seed));
        println!("{quiet:?} alone, {took:?} beside the other");
        assert!(took <= limit, "{took:?}, alone {quiet:?}");
        // The other one goes on meanwhile and afterwards, from where it was.
        let first = other.progress(&ids[0]);
        assert!(first["stage"] != "queued", "{first}");
    }
    let ended = ids.iter().filter(|id| {
        let status = &other.get(&format!("/task/{id}"))["status"];
        *status == "completed"
    });
    assert!(ended.count() < ids.len() / 2, "the engine was not busy");
    drop(daemon);
}

/// Clients of OpenAI's API that send one request after the other.
struct Clients {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(user: &User, count: usize) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicUsize::new(0));
        let client = |number: usize| {
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            let (address, authorization) = (user.address, user.authorization.clone());
            let file = "; name=\"file\"; filename=\"a.wav\"";
            let body = form(&[
                part("; name=\"model\"", b"whisper-1"),
                part(file, &short(20 + number as u64).bytes()),
            ]);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let headers = [FORM, ("Authorization", &*authorization)];
                    let target = "/v1/audio/transcriptions";
                    // On a busy machine an answer may take longer than the client waits.
                    let answer = request(address, "POST", target, &headers, Some(&body));
                    if let Ok(answer) = answer {
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        };
        let threads = (0..count).map(client).collect();
        Clients {
            stop,
            answers,
            threads,
        }
    }

    fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn api_clients_in_a_loop_leave_time_to_bulk_tasks() {
    let (_daemon, honest, other) = two_users();
    let quiet = honest.transcribes(&short(2));
    let clients = Clients::start(&other, 3);
    until("the clients are served", || {
        (clients.answers() > 3).then_some(())
    });
    // Of another owner, and of the same.
    for user in [&honest, &other] {
        let before = clients.answers();
        let took = user.transcribes(&short(3));
        println!("{quiet:?} alone, {took:?} beside clients");
        assert!(took <= quiet * TIMES + TURN, "{took:?}, alone {quiet:?}");
        until("the clients are served as well", || {
            (clients.answers() > before).then_some(())
        });
    }
    clients.end();
}

#[test]
fn long_recordings_take_turns_and_lose_nothing() {
    let (_daemon, one, other) = two_users();
    let long = long_recording();
    let users = [&one, &other].map(|user| (user, user.send("", "long.wav", &long.bytes())));
    let mut percentages = [0.0; 2];
    let mut was_paused = false;
    until("both are completed", || {
        let mut is_end = true;
        for ((user, id), before) in users.iter().zip(&mut percentages) {
            let progress = user.progress(id);
            if progress["status"] == "completed" {
                continue;
            }
            is_end = false;
            let percentage = progress["percentage"].as_f64().unwrap();
            assert!(percentage >= *before, "{before} %, then {progress}");
            *before = percentage;
            if progress["message"].as_str().unwrap().starts_with("paused") {
                was_paused = true;
                assert_eq!(progress["status"], "processing", "{progress}");
                assert_eq!(progress["queue_position"], 1, "{progress}");
            }
        }
        is_end.then_some(())
    });
    assert!(was_paused, "they did not take turns");
    for (user, id) in users {
        let (found, _) = user.completed(&id);
        assert_heard(&found, &long, 5.0);
    }
}
