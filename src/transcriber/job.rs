//! One job: a recording goes through decoder, windows and model; reports come out.

use std::fs::File;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use scribed::protocol::{AudioInfo, FailureKind, Job, MediaInfo, Outcome, Reached, Report};

use crate::decode::{DecodeError, Decoded, decode};
use crate::media;
use crate::pulse::Pulse;
use crate::resident::Resident;
use crate::speech::{self, Cutter, ModelState, Task, Tokens, TranscribeError, Window};

/// Stretches of audio between decoder and model: seconds of it.
const STRETCHES_AHEAD: usize = 4;

/// ISO 639-2 for a language that could not be found, as there is no speech.
const NO_LANGUAGE: &str = "und";

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file is no recording.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The language is none of Whisper's.
    #[error(
        "there is no language \"{0}\": give a code such as \"en\" or \"de\", or none to have it detected"
    )]
    Language(String),
    /// No model, with the reason.
    #[error("{0}")]
    NoModel(String),
    /// The model failed on it.
    #[error("{0}")]
    Model(TranscribeError),
    #[error("cancelled")]
    Cancelled,
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl JobError {
    /// For the daemon to decide by.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Cancelled => FailureKind::Cancelled,
            // Not the recording's fault.
            Self::NoModel(_) | Self::Model(_) | Self::Thread(_) => FailureKind::Model,
            Self::Decode(error) => error.kind(),
            Self::Language(_) => FailureKind::Rejected,
        }
    }
}

/// Does the whole job. Reports everything but its end.
pub fn run(
    job: &Job,
    recording: File,
    resident: &Resident,
    pulse: &Pulse<'_>,
    report: &(dyn Fn(&Report) + Sync),
) -> Result<Outcome, JobError> {
    let language = match &job.language {
        Some(asked) => {
            Some(speech::language_code(asked).ok_or_else(|| JobError::Language(asked.clone()))?)
        }
        None => None,
    };
    let keep_going = || pulse.keep_going();
    let done = resident.with_model(job.model.as_deref(), &keep_going, report, |name, state| {
        transcribe(job, recording, language, (name, state), pulse, report)
    });
    done.unwrap_or_else(|reason| {
        Err(match pulse.stopped() {
            true => JobError::Cancelled,
            false => JobError::NoModel(reason),
        })
    })
}

fn transcribe(
    job: &Job,
    recording: File,
    language: Option<&'static str>,
    (model_name, state): (&str, &mut ModelState),
    pulse: &Pulse<'_>,
    report: &(dyn Fn(&Report) + Sync),
) -> Result<Outcome, JobError> {
    let reached = job.reached.as_ref();
    let found = reached.and_then(|reached| speech::language_code(reached.language.as_deref()?));
    let tokens = state.model().tokens(&job.options);
    let mut transcription = Transcription {
        job,
        state,
        model_name,
        language: language.or(found),
        tokens: tokens.map_err(JobError::Model)?,
        pulse,
        report,
        duration_s: None,
        done_s: reached.map_or(0.0, |reached| reached.done_s),
        last_end_s: reached.map_or(0.0, |reached| reached.last_end_s),
    };
    let (sender, receiver) = sync_channel(STRETCHES_AHEAD);
    thread::scope(|scope| {
        thread::Builder::new()
            .name("decoder".to_owned())
            .spawn_scoped(scope, move || {
                let extension = job.extension.as_deref();
                let (size_bytes, limit_s) = (job.size_bytes, job.max_duration_s);
                decode(&recording, size_bytes, extension, limit_s, &sender, pulse);
            })
            .map_err(JobError::Thread)?;
        // The receiver goes with the transcription: when that ends early, so does the decoder.
        transcription.run(receiver)
    })
}

struct Transcription<'a> {
    job: &'a Job,
    state: &'a mut ModelState,
    model_name: &'a str,
    /// As asked for, or as found in the first window with speech.
    language: Option<&'static str>,
    tokens: Tokens,
    pulse: &'a Pulse<'a>,
    report: &'a (dyn Fn(&Report) + Sync),
    duration_s: Option<f64>,
    /// Audio before this was transcribed by an earlier attempt.
    done_s: f64,
    last_end_s: f64,
}

impl Transcription<'_> {
    fn run(
        &mut self,
        decoded: Receiver<Result<Decoded, DecodeError>>,
    ) -> Result<Outcome, JobError> {
        let mut cutter = Cutter::default();
        let mut warning = None;
        for message in decoded {
            match message? {
                Decoded::Lacking(lacking) => warning = Some(lacking),
                Decoded::Opened(audio) => self.started(audio),
                Decoded::Stretch {
                    samples,
                    read_fraction,
                } => {
                    cutter.push(&samples);
                    let total_s = self.duration_s.unwrap_or(cutter.pushed_s() / read_fraction);
                    while let Some(window) = cutter.next_window() {
                        self.window(&window, total_s)?;
                    }
                }
            }
        }
        // A decoder that was stopped ends like one that is done.
        if self.pulse.stopped() {
            return Err(JobError::Cancelled);
        }
        cutter.finish();
        let audio_duration_s = cutter.pushed_s();
        while let Some(window) = cutter.next_window() {
            self.window(&window, audio_duration_s)?;
        }
        let language = self
            .language
            .unwrap_or(match self.state.model().multilingual() {
                true => NO_LANGUAGE,
                false => speech::ENGLISH,
            });
        Ok(Outcome {
            language: language.to_owned(),
            audio_duration_s,
            warning,
        })
    }

    fn started(&mut self, audio: AudioInfo) {
        self.duration_s = audio.duration;
        (self.report)(&Report::Started {
            job: self.job.id,
            media: MediaInfo {
                audio,
                model: self.model_name.to_owned(),
            },
        });
    }

    fn window(&mut self, window: &Window, total_s: f64) -> Result<(), JobError> {
        if !self.pulse.keep_going() {
            return Err(JobError::Cancelled);
        }
        // The same audio is cut into the same windows every time.
        if window.end_s() <= self.done_s {
            return Ok(());
        }
        if window.audible {
            self.speak(window).map_err(|error| match error {
                TranscribeError::Stopped => JobError::Cancelled,
                error => JobError::Model(error),
            })?;
        }
        (self.report)(&Report::Progress {
            job: self.job.id,
            reached: Reached {
                done_s: window.end_s(),
                last_end_s: self.last_end_s,
                language: self.language.map(str::to_owned),
            },
            fraction: (window.end_s() / total_s).clamp(0.0, 1.0),
        });
        Ok(())
    }

    fn speak(&mut self, window: &Window) -> Result<(), TranscribeError> {
        let language = match self.language {
            Some(language) if self.state.model().multilingual() => language,
            _ => self.state.language(window, self.pulse)?,
        };
        self.language = Some(language);
        let task = Task {
            language,
            options: &self.job.options,
            tokens: &self.tokens,
        };
        for segment in self
            .state
            .transcribe(window, task, self.last_end_s, self.pulse)?
        {
            self.last_end_s = segment.end;
            (self.report)(&Report::Segment {
                job: self.job.id,
                segment,
            });
        }
        Ok(())
    }
}

// One sample rate, in two modules that do not know each other.
const _: () = assert!(media::SAMPLE_RATE as usize == speech::SAMPLE_RATE);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::testing::{self, PHRASE};

    /// The reports of a job with the built-in model, and its end.
    fn transcribe(
        recording: File,
        change: impl FnOnce(&mut Job),
    ) -> (Vec<Report>, Result<Outcome, JobError>) {
        let mut job = testing::job(1, &recording);
        change(&mut job);
        let stop = AtomicBool::new(false);
        let pulse = Pulse::new(&stop, &|| ());
        let reports = Mutex::new(Vec::new());
        let resident = testing::resident();
        let result = run(&job, recording, &resident, &pulse, &|report| {
            reports.lock().unwrap().push(report.clone());
        });
        (reports.into_inner().unwrap(), result)
    }

    fn text(reports: &[Report]) -> String {
        let segments = reports.iter().filter_map(|report| match report {
            Report::Segment { segment, .. } => Some(segment.text.as_str()),
            _ => None,
        });
        segments.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_phrase_is_understood_in_any_wrapping() {
        let spoken = testing::spoken(PHRASE);
        for (arguments, format) in [
            (&["-f", "wav", "-ar", "8000"][..], "wav/pcm_s16le"),
            (&["-f", "flac", "-ar", "48000", "-ac", "2"], "flac"),
            (&["-f", "mp3"], "mp3"),
            (&["-f", "ogg", "-c:a", "libopus"], "ogg/opus"),
            (&["-f", "adts"], "aac"),
            (&["-f", "caf"], "caf/pcm_s16be"),
        ] {
            let (reports, result) = transcribe(testing::converted(&spoken, arguments), |_| ());
            let outcome = result.unwrap();
            assert_eq!(text(&reports), PHRASE, "{format}");
            assert_eq!(outcome.language, "en");
            let started = reports.iter().find_map(|report| match report {
                Report::Started { media, .. } => Some(media.audio.format()),
                _ => None,
            });
            assert_eq!(started.as_deref(), Some(format));
        }
    }

    #[test]
    fn times_are_right_behind_a_long_pause() {
        let mut samples = testing::decoded(&testing::spoken("hello world"));
        let pause_s = 40.0;
        let second_s = samples.len() as f64 / 16_000.0 + pause_s;
        let again = samples.clone();
        samples.extend(vec![0.0; (pause_s * 16_000.0) as usize]);
        samples.extend(again);
        let duration_s = samples.len() as f64 / 16_000.0;
        let (reports, result) = transcribe(testing::wav(&samples), |_| ());
        assert!((result.unwrap().audio_duration_s - duration_s).abs() < 0.01);
        let starts: Vec<f64> = reports
            .iter()
            .filter_map(|report| match report {
                Report::Segment { segment, .. } => Some(segment.start),
                _ => None,
            })
            .collect();
        assert_eq!(text(&reports), "hello world hello world");
        assert!(
            (starts.last().unwrap() - second_s).abs() < 1.0,
            "{starts:?}, not {second_s}"
        );
        let Some(Report::Progress {
            reached, fraction, ..
        }) = reports.last()
        else {
            panic!("{reports:?}");
        };
        assert!((reached.done_s - duration_s).abs() < 0.01 && *fraction == 1.0);
    }

    #[test]
    fn words_have_the_times_at_which_they_are_said() {
        let mut samples = Vec::new();
        let mut said = Vec::new();
        for word in ["music", "water", "morning", "meeting"] {
            samples.extend(vec![0.0; 16_000]);
            let spoken = testing::decoded(&testing::spoken(word));
            let start_s = samples.len() as f64 / 16_000.0;
            let end_s = start_s + spoken.len() as f64 / 16_000.0;
            said.push((word, start_s, end_s));
            samples.extend(spoken);
        }
        let (reports, result) = transcribe(testing::wav(&samples), |_| ());
        result.unwrap();
        let segments = reports.iter().filter_map(|report| match report {
            Report::Segment { segment, .. } => Some(segment),
            _ => None,
        });
        let mut heard = Vec::new();
        for segment in segments {
            let words: Vec<_> = segment.words.iter().map(|word| &*word.word).collect();
            assert_eq!(words.join(" "), segment.text);
            assert!(!segment.tokens.is_empty() && segment.avg_logprob < 0.0);
            heard.extend(&segment.words);
        }
        assert_eq!(heard.len(), said.len(), "{heard:?}");
        for (heard, (word, start_s, end_s)) in heard.into_iter().zip(said) {
            let middle_s = (heard.start + heard.end) / 2.0;
            assert!(
                heard.word == word && (start_s..end_s).contains(&middle_s),
                "{heard:?}, not {word} from {start_s} to {end_s}"
            );
            assert!(heard.end > heard.start && (0.5..=1.0).contains(&heard.score));
        }
    }

    #[test]
    fn nobody_speaks_in_silence() {
        for samples in [
            vec![0.0; 800_000],
            testing::noise(800_000, 1e-4),
            testing::noise(800_000, 0.01),
        ] {
            let (reports, result) = transcribe(testing::wav(&samples), |_| ());
            assert_eq!(text(&reports), "");
            assert_eq!(result.unwrap().audio_duration_s, 50.0);
            assert!(
                matches!(reports.last(), Some(Report::Progress { .. })),
                "{reports:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_transcribed_is_rejected_with_a_reason() {
        let phrase = testing::converted(&testing::spoken(PHRASE), &["-f", "wav"]);
        let cases: [(File, &str, &str); 6] = [
            (testing::file(b""), "wav", "the file is empty"),
            (
                testing::file(b"Dear Sir or Madam, this is no recording."),
                "mp3",
                "it is a text file",
            ),
            (
                testing::file(b"%PDF-1.7 and so on"),
                "pdf",
                "application/pdf",
            ),
            (testing::file(&[0; 5000]), "wav", "no known audio format"),
            (
                testing::file(&testing::bytes(&phrase)[..44]),
                "wav",
                "ends before any audio",
            ),
            (
                testing::file(b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42\0\0\0\0\0\0\x08\0mdat1234"),
                "m4a",
                "(\"moov\") is missing",
            ),
        ];
        for (recording, extension, expected) in cases {
            let (reports, result) =
                transcribe(recording, |job| job.extension = Some(extension.to_owned()));
            let error = result.unwrap_err();
            assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("accepted are mp3"), "{error}");
            assert!(
                !reports
                    .iter()
                    .any(|report| matches!(report, Report::Started { .. }))
            );
        }
        let (_, result) = transcribe(phrase, |job| job.language = Some("klingon".to_owned()));
        assert_eq!(result.unwrap_err().kind(), FailureKind::Rejected);
    }

    #[test]
    fn only_the_committed_bytes_count() {
        let phrase = testing::bytes(&testing::converted(
            &testing::spoken(PHRASE),
            &["-f", "wav"],
        ));
        let mut preallocated = phrase.clone();
        preallocated.resize(phrase.len() * 4, 0x55);
        let (reports, result) = transcribe(testing::file(&preallocated), |job| {
            job.size_bytes = phrase.len() as u64
        });
        result.unwrap();
        assert_eq!(text(&reports), PHRASE);
    }
}
