//! The engine's end of the stream: requests in, reports out.

use std::fs::File;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use scribed::protocol::wire::{self, WireError};
use scribed::protocol::{Job, Report, Request, VERSION, descriptor};
use scribed::systemd;

use crate::job;
use crate::pulse::Pulse;
use crate::resident::Resident;
use crate::service;

const RECEIVE_BYTES: usize = 64 * 1024;

/// Why a connection was given up. Its end by the other side is no error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stream failed.
    #[error("the stream to scribed failed: {0}")]
    Stream(#[from] io::Error),
    /// Something came that is no request.
    #[error("scribed sent what is no request: {0}")]
    Wire(#[from] WireError),
    /// One job at a time.
    #[error("scribed sent job {0} while another one was running")]
    Busy(u64),
    /// Its recording did not come along.
    #[error("scribed sent job {0} without its recording")]
    NoRecording(u64),
}

/// Serves one connection to its end (or until it is asked to exit). The model in
/// `resident` stays for the next one. When the other side hangs up, the running
/// job is stopped and `hung_up` is called from another thread, while the
/// computation may still be coming to its end.
pub fn serve(
    stream: UnixStream,
    resident: &mut Resident,
    hung_up: impl FnOnce() + Send + 'static,
) -> Result<Ended, ServeError> {
    let connection = Arc::new(Connection {
        writer: Mutex::new(stream.try_clone()?),
        current: Mutex::new(None),
    });
    let (sender, commands) = channel();
    let reader = Reader {
        stream: stream.try_clone()?,
        connection: connection.clone(),
        sender,
    };
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || reader.run(hung_up))?;

    connection.report(&Report::Hello {
        protocol: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    match resident.info() {
        Some(model) => connection.report(&Report::Ready { model }),
        // Jobs try again, and tell the reason then.
        None => drop(resident.ensure(None, &|report| connection.report(report))),
    }
    let mut result = Ok(Ended::HungUp);
    while let Some(command) = service::next(&commands) {
        match command {
            Command::Job(task) => connection.run(task, resident),
            Command::Exit => {
                result = Ok(Ended::AskedToExit);
                break;
            }
            Command::GiveUp(error) => {
                result = Err(error);
                break;
            }
        }
    }
    // Wakes the reader where it still waits. Fails only if there is nobody left.
    let _ = stream.shutdown(Shutdown::Both);
    result
}

/// How a connection ended well.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side closed it.
    HungUp,
    /// The other side wants no more of this process.
    AskedToExit,
}

enum Command {
    Job(Task),
    Exit,
    GiveUp(ServeError),
}

struct Task {
    job: Box<Job>,
    recording: File,
    stop: Arc<AtomicBool>,
}

struct Running {
    job: u64,
    stop: Arc<AtomicBool>,
}

/// What the reader and the worker share.
struct Connection {
    writer: Mutex<UnixStream>,
    /// Set from a job's arrival until just before its last report.
    current: Mutex<Option<Running>>,
}

impl Connection {
    /// An error means that nobody reads any more, which the reader learns as well.
    fn report(&self, report: &Report) {
        match wire::encode(report) {
            Ok(frame) => drop(lock(&self.writer).write_all(&frame)),
            Err(error) => tracing::error!("a report could not be sent: {error}"),
        }
    }

    fn run(&self, task: Task, resident: &mut Resident) {
        let Task {
            job,
            recording,
            stop,
        } = task;
        let id = job.id;
        let alive = || {
            systemd::alive();
            self.report(&Report::Alive { job: id });
        };
        let pulse = Pulse::new(&stop, &alive);
        tracing::info!("job {id}: {} bytes", job.size_bytes);
        let result = job::run(&job, recording, resident, &pulse, &|report| {
            self.report(report)
        });
        // Before the last report: the next job may follow at once.
        *lock(&self.current) = None;
        self.report(&match result {
            Ok(outcome) => {
                tracing::info!(
                    "job {id}: {:.1} s of audio transcribed",
                    outcome.audio_duration_s
                );
                Report::Done { job: id, outcome }
            }
            Err(error) => {
                tracing::info!("job {id}: {error}");
                Report::Failed {
                    job: id,
                    kind: error.kind(),
                    reason: error.to_string(),
                }
            }
        });
    }

    fn stop(&self, wanted: Option<u64>) {
        if let Some(running) = &*lock(&self.current)
            && wanted.is_none_or(|job| job == running.job)
        {
            running.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Reads while the worker works: a cancellation has to be seen in the middle of a job.
struct Reader {
    stream: UnixStream,
    connection: Arc<Connection>,
    sender: Sender<Command>,
}

impl Reader {
    fn run(self, hung_up: impl FnOnce()) {
        let result = self.read();
        self.connection.stop(None);
        if let Err(error) = result {
            let _ = self.sender.send(Command::GiveUp(error));
        }
        drop(self.sender);
        hung_up();
    }

    fn read(&self) -> Result<(), ServeError> {
        let mut decoder = wire::Decoder::default();
        let mut buffer = vec![0; RECEIVE_BYTES];
        // Comes with the first byte of its frame, which may not be whole yet.
        let mut recording: Option<OwnedFd> = None;
        loop {
            let (count, received) = match descriptor::receive(self.stream.as_fd(), &mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                result => result?,
            };
            if count == 0 {
                return Ok(());
            }
            recording = received.or(recording);
            decoder.push(&buffer[..count]);
            while let Some(request) = decoder.message()? {
                let command = match request {
                    Request::Transcribe(job) => {
                        let recording = recording.take().ok_or(ServeError::NoRecording(job.id))?;
                        self.accept(job, recording)?
                    }
                    Request::Cancel { job } => {
                        self.connection.stop(Some(job));
                        continue;
                    }
                    Request::Exit => Command::Exit,
                };
                if self.sender.send(command).is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn accept(&self, job: Box<Job>, recording: OwnedFd) -> Result<Command, ServeError> {
        let mut current = lock(&self.connection.current);
        if current.is_some() {
            return Err(ServeError::Busy(job.id));
        }
        let stop = Arc::new(AtomicBool::new(false));
        *current = Some(Running {
            job: job.id,
            stop: stop.clone(),
        });
        Ok(Command::Job(Task {
            job,
            recording: recording.into(),
            stop,
        }))
    }
}

/// What these locks guard is whole at any moment, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::atomic::AtomicUsize;

    use scribed::protocol::FailureKind;

    use super::*;
    use crate::testing::{self, PHRASE};

    /// The daemon's end.
    struct Daemon {
        stream: UnixStream,
        decoder: wire::Decoder,
        server: thread::JoinHandle<Result<Ended, ServeError>>,
        hang_ups: Arc<AtomicUsize>,
    }

    impl Daemon {
        fn connect() -> Self {
            let (stream, other) = UnixStream::pair().unwrap();
            let hang_ups = Arc::new(AtomicUsize::new(0));
            let counted = hang_ups.clone();
            let server = thread::spawn(move || {
                serve(other, &mut testing::resident(), move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                })
            });
            Self {
                stream,
                decoder: wire::Decoder::default(),
                server,
                hang_ups,
            }
        }

        fn send(&mut self, request: &Request) {
            self.stream
                .write_all(&wire::encode(request).unwrap())
                .unwrap();
        }

        fn transcribe(&mut self, job: Job, recording: &File) {
            let frame = wire::encode(&Request::Transcribe(Box::new(job))).unwrap();
            let sent = descriptor::send(self.stream.as_fd(), &frame, recording.as_fd()).unwrap();
            self.stream.write_all(&frame[sent..]).unwrap();
        }

        /// `None` at the end of the stream.
        fn next(&mut self) -> Option<Report> {
            let mut buffer = [0; 1024];
            loop {
                if let Some(report) = self.decoder.message().unwrap() {
                    return Some(report);
                }
                match self.stream.read(&mut buffer).unwrap() {
                    0 => return None,
                    count => self.decoder.push(&buffer[..count]),
                }
            }
        }

        fn until(&mut self, wanted: impl Fn(&Report) -> bool) -> Vec<Report> {
            let mut reports = Vec::new();
            while let Some(report) = self.next() {
                let found = wanted(&report);
                reports.push(report);
                if found {
                    return reports;
                }
            }
            panic!("the stream ended after {reports:?}");
        }

        fn until_over(&mut self) -> Vec<Report> {
            self.until(|report| matches!(report, Report::Done { .. } | Report::Failed { .. }))
        }
    }

    fn failure(report: Option<&Report>) -> (FailureKind, &str) {
        match report {
            Some(Report::Failed { kind, reason, .. }) => (*kind, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_conversation_from_hello_to_the_end_of_the_stream() {
        let mut daemon = Daemon::connect();
        let greeting = daemon.until(|report| matches!(report, Report::Ready { .. }));
        assert!(matches!(
            greeting[..],
            [
                Report::Hello {
                    protocol: VERSION,
                    ..
                },
                Report::Loading { .. },
                Report::Ready { .. }
            ]
        ));

        let recording = testing::spoken(PHRASE);
        daemon.transcribe(testing::job(7, &recording), &recording);
        let mut reports = daemon.until_over();
        reports.retain(|report| !matches!(report, Report::Alive { .. }));
        let [
            Report::Started { job: 7, media },
            Report::Segment { job: 7, segment },
            Report::Progress {
                job: 7, fraction, ..
            },
            Report::Done { job: 7, outcome },
        ] = &reports[..]
        else {
            panic!("{reports:?}");
        };
        assert_eq!(
            (&*media.audio.format(), media.model.as_str()),
            ("wav/pcm_s16le", "demo")
        );
        assert_eq!(segment.text, PHRASE);
        assert!(segment.start <= segment.end && segment.end <= outcome.audio_duration_s);
        assert_eq!(*fraction, 1.0);
        assert_eq!(outcome.language, "en");

        let garbage = testing::file(b"no recording");
        daemon.transcribe(testing::job(8, &garbage), &garbage);
        assert_eq!(failure(daemon.until_over().last()).0, FailureKind::Rejected);

        daemon.stream.shutdown(Shutdown::Write).unwrap();
        assert!(daemon.next().is_none());
        daemon.server.join().unwrap().unwrap();
    }

    #[test]
    fn a_job_is_cancelled_in_the_middle_and_the_next_one_runs() {
        let mut daemon = Daemon::connect();
        let phrase = testing::spoken(PHRASE);
        let long = testing::wav(&testing::decoded(&phrase).repeat(300));
        daemon.transcribe(testing::job(1, &long), &long);
        daemon.until(|report| matches!(report, Report::Segment { .. }));
        daemon.send(&Request::Cancel { job: 99 });
        daemon.until(|report| matches!(report, Report::Segment { .. }));
        daemon.send(&Request::Cancel { job: 1 });
        let reports = daemon.until_over();
        assert_eq!(failure(reports.last()).0, FailureKind::Cancelled);

        daemon.transcribe(testing::job(2, &phrase), &phrase);
        assert!(matches!(
            daemon.until_over().last(),
            Some(Report::Done { job: 2, .. })
        ));
    }

    #[test]
    fn hanging_up_stops_the_job() {
        let mut daemon = Daemon::connect();
        let long = testing::wav(&testing::decoded(&testing::spoken(PHRASE)).repeat(300));
        daemon.transcribe(testing::job(1, &long), &long);
        daemon.until(|report| matches!(report, Report::Started { .. }));
        drop(daemon.stream);
        daemon.server.join().unwrap().unwrap();
        while daemon.hang_ups.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn an_unknown_model_fails_its_job_alone() {
        let mut daemon = Daemon::connect();
        daemon.until(|report| matches!(report, Report::Ready { .. }));
        let recording = testing::spoken(PHRASE);
        let unknown = Job {
            model: Some("none".to_owned()),
            ..testing::job(1, &recording)
        };
        daemon.transcribe(unknown, &recording);
        let reports = daemon.until_over();
        assert!(matches!(
            reports[..2],
            [Report::Loading { .. }, Report::ModelFailed { .. }]
        ));
        let (kind, reason) = failure(reports.last());
        assert_eq!(kind, FailureKind::Model);
        assert!(reason.contains("there is no model none"), "{reason}");

        daemon.transcribe(testing::job(2, &recording), &recording);
        let reports = daemon.until_over();
        assert!(matches!(
            reports[..2],
            [Report::Loading { .. }, Report::Ready { .. }]
        ));
        assert!(matches!(reports.last(), Some(Report::Done { .. })));
    }

    #[test]
    fn exit_waits_for_the_running_job() {
        let mut daemon = Daemon::connect();
        let recording = testing::spoken(PHRASE);
        daemon.transcribe(testing::job(1, &recording), &recording);
        daemon.send(&Request::Exit);
        assert!(matches!(
            daemon.until_over().last(),
            Some(Report::Done { .. })
        ));
        assert!(daemon.next().is_none());
        daemon.server.join().unwrap().unwrap();
    }

    #[test]
    fn breaches_of_the_protocol_end_the_connection() {
        let recording = testing::wav(&testing::noise(16_000 * 600, 0.3));
        let job = testing::job(1, &recording);

        let mut daemon = Daemon::connect();
        daemon.transcribe(job.clone(), &recording);
        daemon.transcribe(
            Job {
                id: 2,
                ..job.clone()
            },
            &recording,
        );
        while daemon.next().is_some() {}
        assert!(matches!(
            daemon.server.join().unwrap(),
            Err(ServeError::Busy(2))
        ));

        let mut daemon = Daemon::connect();
        daemon.send(&Request::Transcribe(Box::new(job)));
        while daemon.next().is_some() {}
        assert!(matches!(
            daemon.server.join().unwrap(),
            Err(ServeError::NoRecording(1))
        ));

        let mut daemon = Daemon::connect();
        daemon.stream.write_all(&[0xff; 8]).unwrap();
        while daemon.next().is_some() {}
        assert!(matches!(
            daemon.server.join().unwrap(),
            Err(ServeError::Wire(_))
        ));
    }
}
