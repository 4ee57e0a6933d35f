//! A client that notes what it asks for before it asks, and what it was told
//! once it was told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::story::{Event, Story};
use crate::support::http::{Connection, Cut, Response, request};
use crate::support::random::Random;
use crate::support::tus::{CONTENT, FILES, RESUMABLE, encode_metadata, location_path};
use crate::support::waiting::until;

/// The client of one upload. Errors are those of the connection; an answer
/// that no working daemon gives is a panic.
pub struct Client<'a> {
    story: &'a Story,
    address: SocketAddr,
    /// Of the upload and its task.
    pub id: String,
    content: Arc<[u8]>,
    /// What it knows to be durable.
    pub offset: u64,
    /// Whether the daemon is known to know the length.
    measured: bool,
}

/// HEAD of an upload, once it is joined if it is one that will be.
pub fn head_of(address: SocketAddr, id: &str) -> Response {
    let path = format!("{FILES}{id}");
    until("the upload is joined", || {
        let head = request(address, "HEAD", &path, &[RESUMABLE], None).expect("an answer");
        let is_pending = head.status == 200 && head.header("upload-offset").is_none();
        (!is_pending).then_some(head)
    })
}

/// Uploads `parts` and has them joined.
pub fn join(
    story: &Story,
    address: SocketAddr,
    parts: &[&[u8]],
    random: &mut Random,
) -> io::Result<()> {
    let mut concat = String::from("final;");
    for part in parts {
        let length = part.len().to_string();
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Concat", "partial"),
            ("Upload-Length", &*length),
        ];
        let created = request(address, "POST", FILES, &headers, Some(part))?.expect(201, "a part");
        assert_eq!(created.number("upload-offset"), Some(part.len() as u64));
        concat += created.header("location").expect("Location");
        concat += " ";
    }
    let content: Arc<[u8]> = parts.concat().into();
    let id = new_id(random);
    let metadata = encode_metadata(&[("filename", "joined"), ("taskId", &id)]);
    let headers = [
        RESUMABLE,
        ("Upload-Concat", &*concat),
        ("Upload-Metadata", &*metadata),
    ];
    story.creating(&id, &content);
    story.mark(&id, Event::Sending(content.len() as u64));
    let joined = request(address, "POST", FILES, &headers, Some(b""))?.expect(201, "all parts");
    let mut client = Client::again(story, address, &id, content);
    client.told(&joined);
    client.told_length();
    assert!(client.is_finished(), "its parts were complete");
    Ok(())
}

/// Sends a recording in a form, in one request.
pub fn send_form(
    story: &Story,
    address: SocketAddr,
    content: Arc<[u8]>,
    random: &mut Random,
) -> io::Result<()> {
    let id = new_id(random);
    let mut form =
        b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".to_vec();
    form.extend_from_slice(&content);
    form.extend_from_slice(b"\r\n--x--\r\n");
    let headers = [("Content-Type", "multipart/form-data; boundary=x")];
    let target = format!("/speech-to-text?taskId={id}");
    story.creating(&id, &content);
    story.mark(&id, Event::Sending(content.len() as u64));
    let taken = request(address, "POST", &target, &headers, Some(&form))?.expect(200, "a form");
    assert_eq!(taken.json()["identifier"], *id);
    story.mark(&id, Event::Told(content.len() as u64));
    story.mark(&id, Event::Measured);
    Ok(())
}

fn new_id(random: &mut Random) -> String {
    let bytes: [u8; 16] = random.bytes(16).try_into().expect("16 bytes");
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    id.to_string()
}

/// When the daemon is told how long an upload will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// At its creation.
    First,
    /// With its last bytes.
    Last,
}

impl<'a> Client<'a> {
    /// Creates an upload with its `first` bytes.
    pub fn create(
        story: &'a Story,
        address: SocketAddr,
        name: &str,
        content: Arc<[u8]>,
        first: usize,
        told: Length,
        random: &mut Random,
    ) -> io::Result<Client<'a>> {
        let id = new_id(random);
        let length = content.len().to_string();
        let metadata = encode_metadata(&[("filename", name), ("taskId", &id)]);
        let told_length = match told {
            Length::First => ("Upload-Length", &*length),
            Length::Last => ("Upload-Defer-Length", "1"),
        };
        let mut headers = vec![RESUMABLE, told_length, ("Upload-Metadata", &*metadata)];
        if first > 0 {
            headers.push(CONTENT);
        }
        story.creating(&id, &content);
        story.mark(&id, Event::Sending(first as u64));
        let response = request(address, "POST", FILES, &headers, Some(&content[..first]))?
            .expect(201, "creation");
        let path = location_path(&response);
        assert_eq!(path, format!("{FILES}{id}"), "the id asked for");
        let mut client = Client {
            story,
            address,
            id,
            content,
            offset: 0,
            measured: false,
        };
        client.told(&response);
        if told == Length::First {
            client.told_length();
        }
        Ok(client)
    }

    /// The one of an upload that was created before.
    pub fn again(
        story: &'a Story,
        address: SocketAddr,
        id: &str,
        content: Arc<[u8]>,
    ) -> Client<'a> {
        Client {
            story,
            address,
            id: id.to_owned(),
            content,
            offset: 0,
            measured: true,
        }
    }

    /// Bytes of the whole.
    pub fn length(&self) -> u64 {
        self.content.len() as u64
    }

    /// All of it is known to be durable.
    pub fn is_finished(&self) -> bool {
        self.offset == self.length() && self.measured
    }

    /// Asks how far it is; 404 is answered only for what may be gone.
    pub fn head(&mut self) -> io::Result<bool> {
        loop {
            let response = self.request("HEAD", &self.path(), &[RESUMABLE])?;
            match response.status {
                200 => {
                    if response.header("upload-length").is_some() {
                        self.told_length();
                    }
                    self.told(&response);
                }
                // Somebody is just letting go of it.
                423 => {
                    sleep(Duration::from_millis(20));
                    continue;
                }
                404 if self.story.may_be_gone(&self.id) => return Ok(false),
                _ => drop(response.expect(200, &format!("HEAD of {}", self.id))),
            }
            return Ok(true);
        }
    }

    /// Sends up to that many bytes and waits for the answer.
    pub fn patch(&mut self, count: usize) -> io::Result<()> {
        let (begin, end) = self.next(count);
        let (offset, length) = (begin.to_string(), self.length().to_string());
        let mut headers = vec![RESUMABLE, CONTENT, ("Upload-Offset", &*offset)];
        let measures = !self.measured && end == self.content.len();
        if measures {
            headers.push(("Upload-Length", &length));
        }
        self.story.mark(&self.id, Event::Sending(end as u64));
        let body = Some(&self.content[begin..end]);
        let response = request(self.address, "PATCH", &self.path(), &headers, body)?;
        match response.status {
            204 => {
                if measures {
                    self.told_length();
                }
                self.told(&response);
                assert_eq!(self.offset, end as u64, "after PATCH of {}", self.id);
            }
            // The one before, whose connection was cut, has just come to its end ...
            409 => self.told(&response),
            // ... or is still at it.
            423 => sleep(Duration::from_millis(20)),
            _ => drop(response.expect(204, &format!("PATCH of {}", self.id))),
        }
        Ok(())
    }

    /// Asks at a wrong offset: the refusal tells the right one.
    pub fn patch_at_wrong_offset(&mut self) -> io::Result<()> {
        let offset = (self.offset + 1).to_string();
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", &*offset)];
        let response = request(self.address, "PATCH", &self.path(), &headers, Some(b""))?;
        self.told(&response.expect(409, "PATCH at a wrong offset"));
        Ok(())
    }

    /// Announces that many bytes, sends half of them and cuts the connection.
    pub fn patch_and_cut(&mut self, count: usize, how: Cut) -> io::Result<()> {
        let (begin, end) = self.next(count);
        let half = begin + (end - begin) / 2;
        let mut connection = self.open_patch(begin, end)?;
        self.story.mark(&self.id, Event::Sending(half as u64));
        connection.send(&self.content[begin..half])?;
        connection.cut(how);
        Ok(())
    }

    /// Sends the rest in one request and small pieces, so that it lasts that
    /// long; `looks` runs after every piece.
    pub fn patch_slowly(&mut self, lasts: Duration, mut looks: impl FnMut()) -> io::Result<()> {
        const PIECE: Duration = Duration::from_millis(50);
        let (begin, end) = (self.offset as usize, self.content.len());
        let mut connection = self.open_patch(begin, end)?;
        let begun = Instant::now();
        let pieces = (lasts.as_millis() / PIECE.as_millis()) as usize + 1;
        let mut sent = begin;
        while sent < end {
            // The last byte waits for its time, so that it is under way that long.
            let last = begun.elapsed() < lasts;
            let next = (sent + (end - begin).div_ceil(pieces)).min(end - usize::from(last));
            self.story.mark(&self.id, Event::Sending(next as u64));
            connection.send(&self.content[sent..next])?;
            sent = next;
            looks();
            sleep(PIECE);
        }
        let response = connection.receive("PATCH")?;
        self.told(&response.expect(204, "the slow PATCH"));
        Ok(())
    }

    /// Takes the upload away, or its task with it if it is finished.
    pub fn terminate(&self) -> io::Result<()> {
        self.story.mark(&self.id, Event::Removing);
        self.request("DELETE", &self.path(), &[RESUMABLE])?
            .expect(204, "DELETE");
        self.story.mark(&self.id, Event::Gone);
        Ok(())
    }

    /// Takes its task away.
    pub fn delete_task(&self) -> io::Result<()> {
        self.story.mark(&self.id, Event::Removing);
        self.request("DELETE", &self.task_path(), &[])?
            .expect(200, "DELETE of the task");
        self.story.mark(&self.id, Event::Gone);
        Ok(())
    }

    /// Looks at its task, which is noted if it is completed.
    pub fn look_at_task(&self) -> io::Result<Option<Value>> {
        let response = self.request("GET", &self.task_path(), &[])?;
        if response.status != 200 {
            return Ok(None);
        }
        let task = response.json();
        if task["status"] == "completed" {
            let result = task["result"].clone();
            self.story.mark(&self.id, Event::Completed(result));
        }
        Ok(Some(task))
    }

    /// Waits until its task is completed.
    pub fn wait_for_transcript(&self) {
        until(&format!("task {} is completed", self.id), || {
            let task = self.look_at_task().expect("an answer")?;
            assert_ne!(task["status"], "failed", "{task}");
            (task["status"] == "completed").then_some(())
        });
    }

    fn next(&self, count: usize) -> (usize, usize) {
        let begin = self.offset as usize;
        (begin, self.content.len().min(begin + count))
    }

    fn open_patch(&self, begin: usize, end: usize) -> io::Result<Connection> {
        let offset = begin.to_string();
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", &*offset)];
        let mut connection = Connection::open(self.address)?;
        connection.send_head("PATCH", &self.path(), &headers, Some(end - begin))?;
        Ok(connection)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
        request(self.address, method, path, headers, None)
    }

    fn told_length(&mut self) {
        self.measured = true;
        self.story.mark(&self.id, Event::Measured);
    }

    /// Notes the offset of an answer.
    fn told(&mut self, response: &Response) {
        let offset = response
            .number("upload-offset")
            .unwrap_or_else(|| panic!("no Upload-Offset: {response:?}"));
        self.story.mark(&self.id, Event::Told(offset));
        assert!(
            offset >= self.offset,
            "{} went back from {} to {offset} (I7)",
            self.id,
            self.offset
        );
        self.offset = offset;
    }

    fn path(&self) -> String {
        format!("{FILES}{}", self.id)
    }

    fn task_path(&self) -> String {
        format!("/task/{}", self.id)
    }
}
