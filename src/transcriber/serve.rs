//! The engine's end of the stream: requests in, reports out.

use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, Scope};

use scribed::protocol::{Outcome, Report, VERSION};
use scribed::systemd;

use crate::connection::Connection;
use crate::job::{self, JobError};
use crate::pulse::Pulse;
use crate::reader::{AcceptedJob, Command, Reader, ServeError};
use crate::resident::Resident;
use crate::watchdog;

/// As large as that of a main thread.
const JOB_STACK_BYTES: usize = 8 << 20;

/// How a connection ended well.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side closed it.
    HungUp,
    /// The other side wants no more of this process.
    AskedToExit,
}

/// Serves one connection to its end (or until it is asked to exit). The model in
/// `resident` stays for the next one. When the other side hangs up, running jobs
/// are stopped and `hung_up` is called from another thread, while computations
/// may still be coming to their ends.
pub fn serve(
    stream: UnixStream,
    resident: &Resident,
    hung_up: impl FnOnce() + Send + 'static,
) -> Result<Ended, ServeError> {
    let connection = Arc::new(Connection::new(stream.try_clone()?, resident.slots()));
    let (sender, commands) = channel();
    let reader = Reader {
        stream,
        connection: Arc::clone(&connection),
        sender,
    };
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || reader.run(hung_up))?;

    connection.report(&Report::Hello {
        protocol: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    match resident.ready() {
        Some(ready) => connection.report(&ready),
        None => resident.warm(&|report| connection.report(report)),
    }
    let connection = &*connection;
    // Waits for the jobs that still run.
    let result = thread::scope(|scope| {
        while let Some(command) = watchdog::next(&commands, || connection.is_idle()) {
            match command {
                Command::Job(accepted) => start(scope, connection, accepted, resident),
                Command::Exit => return Ok(Ended::AskedToExit),
                Command::GiveUp(error) => return Err(error),
            }
        }
        Ok(Ended::HungUp)
    });
    connection.hang_up();
    result
}

/// Runs a job on a thread of its own.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    connection: &'scope Connection,
    accepted: AcceptedJob,
    resident: &'scope Resident,
) {
    let id = accepted.job.id;
    let run = move || {
        let ran = catch_unwind(AssertUnwindSafe(|| run(connection, accepted, resident)));
        if let Err(panic) = ran {
            // Ends the connection, and then the process: see `thread::scope`.
            connection.hang_up();
            resume_unwind(panic);
        }
    };
    let thread = thread::Builder::new()
        .name("job".to_owned())
        .stack_size(JOB_STACK_BYTES);
    if let Err(error) = thread.spawn_scoped(scope, run) {
        end(connection, id, Err(JobError::Thread(error)));
    }
}

fn run(connection: &Connection, accepted: AcceptedJob, resident: &Resident) {
    let AcceptedJob {
        job,
        recording,
        stop,
    } = accepted;
    let id = job.id;
    let alive = || {
        systemd::alive();
        connection.report(&Report::Alive { job: id });
    };
    let pulse = Pulse::new(&stop, &alive);
    tracing::info!("job {id}: {} bytes", job.size_bytes);
    let result = job::run(&job, recording, resident, &pulse, &|report| {
        connection.report(report);
    });
    end(connection, id, result);
}

fn end(connection: &Connection, id: u64, result: Result<Outcome, JobError>) {
    connection.end(id);
    connection.report(&match result {
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use scribed::protocol::{FailureKind, Job, Request, descriptor, wire};

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
            Self::connect_to(testing::resident())
        }

        fn connect_to(resident: Resident) -> Self {
            let (stream, other) = UnixStream::pair().unwrap();
            let hang_ups = Arc::new(AtomicUsize::new(0));
            let counted = hang_ups.clone();
            let server = thread::spawn(move || {
                serve(other, &resident, move || {
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
    fn two_slots_run_two_jobs_at_the_same_time() {
        let mut daemon = Daemon::connect_to(testing::resident_with(2));
        daemon.until(|report| matches!(report, Report::Ready { slots: 2, .. }));
        let phrase = testing::spoken(PHRASE);
        let long = testing::wav(&testing::decoded(&phrase).repeat(300));
        let said = |job| move |report: &Report| matches!(report, Report::Segment { job: id, .. } if *id == job);
        for id in [1, 2] {
            daemon.transcribe(testing::job(id, &long), &long);
            daemon.until(said(id));
        }
        for id in [1, 2, 1, 2] {
            daemon.until(said(id));
        }
        // One is cancelled, the other goes on, and a third one has its slot.
        daemon.send(&Request::Cancel { job: 1 });
        let reports = daemon.until_over();
        assert!(matches!(
            reports.last(),
            Some(Report::Failed {
                job: 1,
                kind: FailureKind::Cancelled,
                ..
            })
        ));
        daemon.transcribe(testing::job(3, &phrase), &phrase);
        let reports = daemon.until_over();
        assert!(matches!(reports.last(), Some(Report::Done { job: 3, .. })));
        daemon.until(said(2));
        let loads = reports
            .iter()
            .filter(|report| matches!(report, Report::Loading { .. }));
        assert_eq!(loads.count(), 0, "one model for all");
        daemon.transcribe(testing::job(4, &long), &long);
        daemon.transcribe(testing::job(5, &phrase), &phrase);
        while daemon.next().is_some() {}
        let ended = daemon.server.join().unwrap();
        assert!(matches!(ended, Err(ServeError::Busy(5))));
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
