//! The steps of a sequence: requests, cuts, stalls and kills, and what each answer
//! says about the upload.

use std::fs;
use std::io;
use std::sync::Barrier;
use std::thread::{self, sleep};
use std::time::Duration;

use super::model::{Model, Pen};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Cut, Response, request};
use crate::support::random::Random;
use crate::support::tus::{CONTENT, RESUMABLE, Upload};

const LENGTH_MAX: usize = 150_000;

/// A step, and how often it is taken relative to the others.
type Step<'a> = (usize, fn(&mut Sequence<'a>));

/// One upload, the daemon it lives in, and what became of it so far.
pub struct Sequence<'a> {
    daemon: &'a mut Daemon,
    random: Random,
    upload: Upload,
    model: Model,
    /// A request in the middle of its body, and where that ends.
    stalled: Option<(Connection, usize, usize)>,
    steps: Steps,
}

/// Printed when the test fails.
struct Steps {
    seed: u64,
    log: Vec<String>,
}

impl Drop for Steps {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("SEED={} did:\n  {}", self.seed, self.log.join("\n  "));
        }
    }
}

impl<'a> Sequence<'a> {
    /// All that can be taken.
    const STEPS: [Step<'a>; 14] = [
        (6, Sequence::append),
        (2, Sequence::append_all),
        (3, Sequence::append_elsewhere),
        (2, Sequence::append_too_much),
        (2, Sequence::append_too_much_unannounced),
        (2, Sequence::append_malformed),
        (4, Sequence::look),
        (1, Sequence::create_with_the_same_id),
        (1, Sequence::delete),
        (4, Sequence::race),
        (4, Sequence::cut),
        (4, Sequence::stall),
        (4, Sequence::resume),
        (2, Sequence::kill),
    ];

    /// A new upload; the seed decides about everything that follows.
    pub fn new(daemon: &'a mut Daemon, seed: u64) -> Sequence<'a> {
        let mut random = Random::new(seed);
        let length = random.between(1, LENGTH_MAX);
        let wanted = uuid::Uuid::new_v4().to_string();
        let upload = Upload::create(daemon.address(), length, &[("taskId", &wanted)]);
        assert_eq!(upload.id(), wanted);
        Sequence {
            daemon,
            random,
            upload,
            model: Model::new(length),
            stalled: None,
            steps: Steps {
                seed,
                log: vec![format!("created with {length} bytes")],
            },
        }
    }

    /// Takes a random step.
    pub fn step(&mut self) {
        let sum = Self::STEPS.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.random.between(1, sum);
        for (weight, step) in Self::STEPS {
            if drawn <= weight {
                step(self);
                break;
            }
            drawn -= weight;
        }
        if !self.model.gone {
            self.model.assert_content(&self.data());
        }
    }

    /// Comes to rest and is looked at a last time; the id of the task that
    /// must be there.
    pub fn end(mut self) -> Option<String> {
        self.patch(self.model.acknowledged(), 0, Pen::Usual);
        self.look();
        let id = self.upload.id().to_owned();
        if !self.model.gone {
            assert!(self.model.is_certain());
            self.model.assert_content(&self.data());
        }
        self.model.is_finished().then_some(id)
    }

    fn append(&mut self) {
        let count = self.random.between(0, self.model.room());
        self.patch(self.model.acknowledged(), count, Pen::Usual);
    }

    fn append_all(&mut self) {
        self.patch(self.model.acknowledged(), self.model.room(), Pen::Usual);
    }

    fn append_elsewhere(&mut self) {
        let offset = self.random.between(0, self.model.length + 2);
        if !self.model.may_be_at(offset) {
            let count = self.random.between(0, 1000);
            self.patch(offset, count, Pen::Refused);
        }
    }

    fn append_too_much(&mut self) {
        let count = self.model.room() + self.random.between(1, 1000);
        self.patch(self.model.acknowledged(), count, Pen::Refused);
    }

    /// PATCH with the whole body, and all that can be said of its answer.
    fn patch(&mut self, offset: usize, count: usize, pen: Pen) {
        let answer = self
            .upload
            .patch(offset, &pen.bytes(offset..offset + count));
        let answer = answer.expect("an answer to PATCH");
        self.note(&format!("PATCH {count} at {offset} by {pen:?}"), &answer);
        if self.refused_as_gone(&answer) {
            return;
        }
        let fits = offset + count <= self.model.length;
        match answer.status {
            204 => {
                assert!(fits);
                assert_eq!(offset_of(&answer), offset + count);
                self.model.grew(offset, offset + count);
                self.stalled_was_overtaken(offset);
            }
            409 => {
                assert!(!(self.model.is_certain() && self.model.may_be_at(offset)));
                self.rests_elsewhere(offset, &answer);
            }
            413 => {
                assert!(!fits);
                self.model.rests_at(offset);
                self.stalled_was_overtaken(offset);
            }
            other => panic!("{other}"),
        }
    }

    /// The length is not announced, so what fits may be kept.
    fn append_too_much_unannounced(&mut self) {
        let offset = self.model.acknowledged();
        let first = self.random.between(1, self.model.room() + 10);
        let end = self.model.length + self.random.between(1, 1000);
        let at = offset.to_string();
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Offset", &*at),
            ("Transfer-Encoding", "chunked"),
        ];
        let mut connection = Connection::open(self.daemon.address()).unwrap();
        connection
            .send_head("PATCH", &self.upload.path, &headers, None)
            .unwrap();
        for chunk in [
            offset..offset + first,
            offset + first..end.max(offset + first),
        ] {
            if !chunk.is_empty() {
                let head = format!("{:x}\r\n", chunk.len());
                let chunk = [head.as_bytes(), &Pen::Usual.bytes(chunk), b"\r\n"].concat();
                // It may be refused before it was sent.
                let _ = connection.send(&chunk);
            }
        }
        let _ = connection.send(b"0\r\n\r\n");
        let answer = connection.receive("PATCH").unwrap();
        self.note(&format!("PATCH {offset}..{end} unannounced"), &answer);
        if self.refused_as_gone(&answer) {
            return;
        }
        match answer.status {
            409 => {
                assert!(!self.model.is_certain());
                self.rests_elsewhere(offset, &answer);
            }
            413 => {
                self.model.rests_at(offset);
                self.model.may_grow(self.model.length);
                self.stalled_was_overtaken(offset);
            }
            other => panic!("{other}"),
        }
    }

    /// Refused for its headers, without effect on other requests.
    fn append_malformed(&mut self) {
        let at = self.model.acknowledged().to_string();
        let offset = ("Upload-Offset", &*at);
        for (status, headers) in [
            (415, &[RESUMABLE, ("Content-Type", "audio/wav"), offset][..]),
            (400, &[RESUMABLE, CONTENT]),
            (400, &[RESUMABLE, CONTENT, ("Upload-Offset", "-1")]),
            (412, &[CONTENT, offset]),
        ] {
            let body = Pen::Refused.bytes(0..self.random.between(0, 1000));
            let answer = request(
                self.upload.address,
                "PATCH",
                &self.upload.path,
                headers,
                Some(&body),
            );
            let answer = answer.unwrap();
            self.note(&format!("PATCH with {headers:?}"), &answer);
            assert_eq!(answer.status, status);
        }
    }

    fn look(&mut self) {
        let answer = self.upload.head();
        self.note("HEAD", &answer);
        if !self.refused_as_gone(&answer) {
            let answer = answer.expect(200, "HEAD");
            assert_eq!(
                answer.number("upload-length"),
                Some(self.model.length as u64)
            );
            self.model.looked_at(offset_of(&answer));
        }
    }

    fn create_with_the_same_id(&mut self) {
        if !self.model.gone {
            let metadata = [("taskId", self.upload.id())];
            let other = Upload::create(self.daemon.address(), 10, &metadata);
            self.steps.log.push("POST with the same taskId".into());
            assert_ne!(other.path, self.upload.path);
            other.terminate().expect(204, "DELETE of the other");
        }
    }

    fn delete(&mut self) {
        let answer = self.upload.terminate();
        self.note("DELETE", &answer);
        if !self.refused_as_gone(&answer) {
            answer.expect(204, "DELETE");
            self.model.gone = true;
            if let Some((mut connection, ..)) = self.stalled.take() {
                connection
                    .receive("PATCH")
                    .unwrap()
                    .expect(409, "the stalled PATCH");
            }
        }
    }

    /// Two at the same offset at once: never both.
    fn race(&mut self) {
        if !self.model.is_certain() || self.model.room() == 0 || self.model.gone {
            return self.append();
        }
        let at = self.model.acknowledged();
        let pens = [Pen::Usual, Pen::Rival];
        let ends = pens.map(|_| at + self.random.between(1, self.model.room()));
        let barrier = Barrier::new(pens.len());
        let upload = &self.upload;
        let race = |pen: Pen, end| {
            barrier.wait();
            upload.patch(at, &pen.bytes(at..end)).unwrap()
        };
        let race = &race;
        let answers = thread::scope(|scope| {
            let racing = [0, 1].map(|i| scope.spawn(move || race(pens[i], ends[i])));
            racing.map(|racing| racing.join().unwrap())
        });
        for (answer, end) in answers.iter().zip(ends) {
            self.note(&format!("racing PATCH {at}..{end}"), answer);
            assert!([204, 409, 423].contains(&answer.status));
        }
        let won: Vec<usize> = (0..2).filter(|&i| answers[i].status == 204).collect();
        match won[..] {
            [] => {
                let conflicts = answers.iter().filter(|answer| answer.status == 409);
                let end = conflicts.map(offset_of).max().unwrap_or(at);
                self.model.grew(at, end);
                self.model.was_raced(at, &pens);
                assert!(end <= *ends.iter().max().unwrap());
            }
            [winner] => {
                assert_eq!(offset_of(&answers[winner]), ends[winner]);
                self.model.grew(at, ends[winner]);
                self.model.was_raced(at, &[pens[winner]]);
            }
            _ => panic!("both succeeded"),
        }
    }

    /// A client vanishes in the middle of a body.
    fn cut(&mut self) {
        if let Some((connection, _, sent)) = self.begin() {
            let how = [Cut::Close, Cut::Reset][self.random.between(0, 1)];
            connection.cut(how);
            self.steps.log.push(format!("{how:?} after byte {sent}"));
        }
    }

    /// A client stops sending in the middle of a body.
    fn stall(&mut self) {
        self.stalled = self.begin().or(self.stalled.take());
    }

    /// PATCH with a part of its body; where that would end, and what was sent.
    fn begin(&mut self) -> Option<(Connection, usize, usize)> {
        let offset = self.model.acknowledged();
        if self.model.room() == 0 || self.model.gone {
            return None;
        }
        let end = offset + self.random.between(1, self.model.room());
        let sent = self.random.between(offset, end - 1);
        let at = offset.to_string();
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Offset", &*at),
            ("Expect", "100-continue"),
        ];
        let mut connection = Connection::open(self.daemon.address()).unwrap();
        connection
            .send_head("PATCH", &self.upload.path, &headers, Some(end - offset))
            .unwrap();
        // From then on it has the upload; a request that is still on its way
        // could overtake a later one.
        let answer = connection.receive_any("PATCH").unwrap();
        self.note(
            &format!("PATCH {offset}..{end}, sent up to {sent}"),
            &answer,
        );
        if answer.status != 100 {
            let answer = answer.expect(409, "PATCH");
            assert!(!self.model.is_certain());
            self.rests_elsewhere(offset, &answer);
            return None;
        }
        self.model.rests_at(offset);
        self.stalled_was_overtaken(offset);
        self.model.written_to = true;
        self.model.may_grow(sent);
        connection.send(&Pen::Usual.bytes(offset..sent)).unwrap();
        Some((connection, end, sent))
    }

    /// The stalled client goes on.
    fn resume(&mut self) {
        let Some((mut connection, end, sent)) = self.stalled.take() else {
            return self.append();
        };
        // It may have been ended by a HEAD.
        let _ = connection.send(&Pen::Usual.bytes(sent..end));
        let answer = connection.receive("PATCH").unwrap();
        self.note(&format!("the stalled PATCH went on to {end}"), &answer);
        match answer.status {
            204 => {
                assert_eq!(offset_of(&answer), end);
                self.model.may_grow(end);
                self.model.rests_at(end);
            }
            409 => self.model.rests_at(offset_of(&answer)),
            other => panic!("{other}"),
        }
    }

    /// kill -9, maybe in the middle of a PATCH.
    fn kill(&mut self) {
        let offset = self.model.acknowledged();
        let end = offset + self.random.between(0, self.model.room());
        let pause = Duration::from_micros(self.random.between(0, 3000) as u64);
        let (upload, daemon) = (&self.upload, &mut *self.daemon);
        let answer: io::Result<Response> = thread::scope(|scope| {
            let patch = scope.spawn(|| upload.patch(offset, &Pen::Usual.bytes(offset..end)));
            sleep(pause);
            daemon.kill9();
            patch.join().unwrap()
        });
        self.daemon.start_again();
        self.upload.address = self.daemon.address();
        self.stalled = None;
        let what = format!("kill after PATCH {offset}..{end}");
        match answer {
            Ok(answer) => {
                self.note(&what, &answer);
                if self.refused_as_gone(&answer) {
                    return;
                }
                match answer.status {
                    204 => self.model.grew(offset, end),
                    409 => self.model.rests_at(offset_of(&answer)),
                    other => panic!("{other}"),
                }
            }
            Err(_) => {
                self.steps.log.push(format!("{what}: no answer"));
                self.model.written_to = false;
                if !self.model.gone {
                    self.model.may_grow(end);
                }
            }
        }
    }

    /// A 409 with the offset of the upload.
    fn rests_elsewhere(&mut self, offset: usize, answer: &Response) {
        let current = offset_of(answer);
        assert_ne!(current, offset, "a conflict with nothing");
        self.model.rests_at(current);
        self.stalled_was_overtaken(current);
    }

    /// The stalled client gets a 409 with the current offset.
    fn stalled_was_overtaken(&mut self, stood_at: usize) {
        if let Some((mut connection, ..)) = self.stalled.take() {
            let answer = connection.receive("PATCH").unwrap();
            self.note("the stalled PATCH", &answer);
            assert_eq!(offset_of(&answer.expect(409, "overtaken")), stood_at);
        }
    }

    /// A deleted upload is not there, and only that one.
    fn refused_as_gone(&self, answer: &Response) -> bool {
        let refused = [404, 410].contains(&answer.status);
        assert_eq!(refused, self.model.gone, "{}", answer.status);
        refused
    }

    fn note(&mut self, what: &str, answer: &Response) {
        let offset = answer.number("upload-offset");
        let offset = offset.map_or(String::new(), |offset| format!(", offset {offset}"));
        self.steps
            .log
            .push(format!("{what}: {}{offset}", answer.status));
    }

    /// The file on disk.
    fn data(&self) -> Vec<u8> {
        let uploads = self.daemon.state_dir().join("uploads");
        fs::read(uploads.join(self.upload.id()).join("data")).unwrap()
    }
}

#[track_caller]
fn offset_of(answer: &Response) -> usize {
    answer.number("upload-offset").expect("Upload-Offset") as usize
}
