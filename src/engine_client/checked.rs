//! What an engine may report.
//!
//! The engine reads hostile recordings, so it may be in hostile hands. Every
//! report passes through here before anything else sees it: numbers are in their
//! ranges, texts are short and printable, jobs are known and in their order, and
//! no kind of message can be repeated without end. What breaks the protocol ends
//! the connection; what is only too large for a display is cut.

use tokio::time::Instant;

use super::allowance::Allowance;
use super::job_checks::JobChecks;
use super::texts::{self, Violation, name};
use crate::protocol::{Job, ModelInfo, Report};

/// Longest silence that an engine may ask for: one pass of a large model on a
/// slow CPU takes minutes.
const PATIENCE_MAX_S: u64 = 4 * 3600;

/// Most jobs at a time.
const SLOTS_MAX: usize = 16;

/// Reports about models before the first job: an engine loads one.
const NOTICES_AT_START: u32 = 8;
/// Further ones that a job allows: it may need another model.
const NOTICES_PER_JOB: u32 = 4;
/// Most of them at a time.
const NOTICES_MAX: u32 = 64;

/// The state of one connection, as far as it decides what may come next.
#[derive(Debug)]
pub(super) struct Checks {
    is_greeted: bool,
    /// Reports about models that may still come.
    notices: u32,
    /// Reports that bring nothing new.
    signs: Allowance,
    /// The jobs that run, at most as many as there are slots.
    jobs: Vec<JobChecks>,
    /// Of the last job that the engine got.
    last_id: u64,
}

impl Checks {
    /// Of a new connection.
    pub(super) fn new(now: Instant) -> Checks {
        Checks {
            is_greeted: false,
            notices: NOTICES_AT_START,
            signs: Allowance::new(now),
            jobs: Vec::new(),
            last_id: 0,
        }
    }

    /// The engine gets this job.
    pub(super) fn begin(&mut self, job: &Job) {
        self.last_id = job.id;
        self.notices = self
            .notices
            .saturating_add(NOTICES_PER_JOB)
            .min(NOTICES_MAX);
        self.jobs.push(JobChecks::of(job));
    }

    /// The report as others may see it; `None` if it is of a job that has ended.
    pub(super) fn check(
        &mut self,
        report: Report,
        now: Instant,
    ) -> Result<Option<Report>, Violation> {
        if let Report::Hello { protocol, version } = report {
            if std::mem::replace(&mut self.is_greeted, true) {
                return Err(Violation("its version twice".into()));
            }
            let version = name(version);
            return Ok(Some(Report::Hello { protocol, version }));
        }
        if !self.is_greeted {
            return Err(Violation("something before its version".into()));
        }
        let checked = match report {
            Report::Hello { .. } => return Ok(None),
            Report::Loading { model } => {
                self.notice()?;
                let model = name(model);
                Report::Loading { model }
            }
            Report::Ready { model, slots } => {
                self.notice()?;
                Report::Ready {
                    model: ModelInfo {
                        name: name(model.name),
                        multilingual: model.multilingual,
                        device: name(model.device),
                        patience_s: model.patience_s.min(PATIENCE_MAX_S),
                    },
                    slots: slots.clamp(1, SLOTS_MAX),
                }
            }
            Report::ModelFailed { model, reason } => {
                self.notice()?;
                Report::ModelFailed {
                    model: name(model),
                    reason: texts::reason(reason),
                }
            }
            Report::Alive { job } => {
                self.sign(now)?;
                match self.job(job)? {
                    Some(_) => Report::Alive { job },
                    None => return Ok(None),
                }
            }
            Report::Started { job, media } => match self.job_or_sign(job, now)? {
                Some(checks) => Report::Started {
                    job,
                    media: checks.started(media)?,
                },
                None => return Ok(None),
            },
            Report::Progress {
                job,
                reached,
                fraction,
            } => {
                let Some(checks) = self.job_or_sign(job, now)? else {
                    return Ok(None);
                };
                let (reached, fraction, is_further) = checks.progress(reached, fraction)?;
                if !is_further {
                    self.sign(now)?;
                }
                Report::Progress {
                    job,
                    reached,
                    fraction,
                }
            }
            Report::Segment { job, segment } => match self.job_or_sign(job, now)? {
                Some(checks) => Report::Segment {
                    job,
                    segment: checks.segment(segment)?,
                },
                None => return Ok(None),
            },
            Report::Done { job, outcome } => {
                let Some(checks) = self.job_or_sign(job, now)? else {
                    return Ok(None);
                };
                let outcome = checks.done(outcome)?;
                self.end(job);
                Report::Done { job, outcome }
            }
            Report::Failed { job, kind, reason } => {
                if self.job_or_sign(job, now)?.is_none() {
                    return Ok(None);
                }
                self.end(job);
                let reason = texts::reason(reason);
                Report::Failed { job, kind, reason }
            }
        };
        Ok(Some(checked))
    }

    fn end(&mut self, id: u64) {
        self.jobs.retain(|job| job.id() != id);
    }

    /// The job if it runs; `None` if it has ended.
    fn job(&mut self, id: u64) -> Result<Option<&mut JobChecks>, Violation> {
        let known = 1..=self.last_id;
        if !known.contains(&id) {
            return Err(Violation(format!(
                "something of a job {id} that it never got"
            )));
        }
        Ok(self.jobs.iter_mut().find(|job| job.id() == id))
    }

    /// The same; what comes of one that has ended brings nothing new.
    fn job_or_sign(&mut self, id: u64, now: Instant) -> Result<Option<&mut JobChecks>, Violation> {
        if self.job(id)?.is_none() {
            self.sign(now)?;
        }
        self.job(id)
    }

    fn sign(&mut self, now: Instant) -> Result<(), Violation> {
        match self.signs.take(now) {
            true => Ok(()),
            false => Err(Violation("too many signs of life, and no work".into())),
        }
    }

    fn notice(&mut self) -> Result<(), Violation> {
        match self.notices.checked_sub(1) {
            Some(left) => {
                self.notices = left;
                Ok(())
            }
            None => Err(Violation("too much about its model".into())),
        }
    }
}

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
