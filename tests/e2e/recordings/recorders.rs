//! Recordings as recorders, telephones and cameras make them, whole, damaged and
//! cut short: the words come at their times, and the task says what the file is
//! and what is missing of it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::fixtures::difference::Difference;
use crate::fixtures::wer::Tally;
use crate::support::daemon::Daemon;
use crate::support::speech::{self, Phrase, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::tus;

/// Furthest that the start or end of a phrase, and the length, may be off.
const OFF_MAX_S: f64 = 0.5;
/// Most words that may be wrong in one recording, and in all of them.
const WRONG_MAX: usize = 1;
const WRONG_MAX_PERCENT: f64 = 3.0;

/// Seconds of picture before the sound begins.
const LATE_S: f64 = 6.0;

/// Two recordings to make others of.
struct Takes {
    one: Spoken,
    two: Spoken,
}

impl Takes {
    fn new() -> Takes {
        Takes {
            one: speech::speak(Script::short(VOICES[0], 77)),
            two: speech::speak(Script::short(VOICES[0], 78)),
        }
    }

    fn one(&self) -> Said {
        Said::of(&self.one)
    }

    /// A pause of the first one, in seconds: after so many phrases.
    fn pause_s(&self, phrases: usize) -> f64 {
        let phrases = &self.one.phrases[phrases - 1..];
        (phrases[0].end_s + phrases[1].start_s) / 2.0
    }
}

/// What there is to be heard in a recording.
struct Said {
    phrases: Vec<Phrase>,
    length_s: f64,
}

impl Said {
    fn of(spoken: &Spoken) -> Said {
        Said {
            phrases: spoken.phrases.clone(),
            length_s: (spoken.bytes().len() - 44) as f64 / 2.0 / f64::from(speech::RATE_HZ),
        }
    }

    /// All of it so much later; what would be before the start is not there.
    fn later(mut self, by_s: f64) -> Said {
        for phrase in &mut self.phrases {
            phrase.start_s += by_s;
            phrase.end_s += by_s;
        }
        self.phrases.retain(|phrase| phrase.start_s >= 0.0);
        self.length_s += by_s;
        self
    }

    /// And then this.
    fn then(mut self, next: Said) -> Said {
        let next = next.later(self.length_s);
        self.phrases.extend(next.phrases);
        self.length_s = next.length_s;
        self
    }

    /// With silence there.
    fn without(mut self, from_s: f64, to_s: f64) -> Said {
        self.phrases
            .retain(|phrase| phrase.end_s < from_s || phrase.start_s > to_s);
        self
    }

    /// Up to there.
    fn until(self, end_s: f64) -> Said {
        Said {
            length_s: end_s,
            ..self.without(end_s, f64::INFINITY)
        }
    }
}

/// What ffmpeg makes of these inputs with these arguments, as a file with that
/// extension; `{LATE}` stands for [`LATE_S`].
fn ffmpeg(inputs: &[&Spoken], arguments: &str, extension: &str) -> Vec<u8> {
    let files: Vec<_> = inputs.iter().map(|input| &input.file).collect();
    let path = speech::cached(&(&files, arguments), extension, |path| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y"]);
        let mut files = files.iter();
        for argument in arguments.split_whitespace() {
            // Inputs are named by their place: options may come before each.
            match argument {
                "FILE" => ffmpeg.arg("-i").arg(files.next().expect("an input")),
                "PICTURE" => ffmpeg.args(["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5"]),
                "SILENCE" => ffmpeg.args(["-f", "lavfi", "-i", "anullsrc=r=22050:cl=mono"]),
                argument => ffmpeg.arg(argument.replace("{LATE}", &LATE_S.to_string())),
            };
        }
        speech::run(ffmpeg.arg(path));
    });
    fs::read(path).unwrap()
}

/// What a recorder that could not go back to the head had written there.
fn killed(mut wav: Vec<u8>, riff_bytes: u32, data_bytes: u32) -> Vec<u8> {
    wav[4..8].copy_from_slice(&riff_bytes.to_le_bytes());
    wav[40..44].copy_from_slice(&data_bytes.to_le_bytes());
    wav
}

/// A `fmt ` chunk without the field for a size that is 0, as telephone systems
/// write it.
fn short_head(wav: Vec<u8>) -> Vec<u8> {
    assert_eq!(wav[16..20], 18u32.to_le_bytes(), "another head");
    let mut short = [&wav[..36], &wav[38..]].concat();
    short[16..20].copy_from_slice(&16u32.to_le_bytes());
    short
}

/// An mp4 file whose start was cut away, on a phone: only the edit list says so.
fn trimmed(mut mp4: Vec<u8>, start_s: f64) -> Vec<u8> {
    let at = mp4
        .windows(4)
        .position(|four| four == b"elst")
        .expect("an edit list");
    let number = |at: usize| u32::from_be_bytes(mp4[at..at + 4].try_into().unwrap());
    assert_eq!(
        (number(at + 4), number(at + 8)),
        (0, 1),
        "another edit list"
    );
    // In the units of the film, which are ms, and of the track, which are samples.
    let duration = number(at + 12) - (start_s * 1000.0) as u32;
    let start = number(at + 16) + (start_s * f64::from(speech::RATE_HZ)) as u32;
    mp4[at + 12..at + 16].copy_from_slice(&duration.to_be_bytes());
    mp4[at + 16..at + 20].copy_from_slice(&start.to_be_bytes());
    mp4
}

/// The start of a file, a share of it.
fn cut(file: Vec<u8>, share: f64) -> Vec<u8> {
    file[..(file.len() as f64 * share) as usize].to_vec()
}

/// With garbage in place of that share of a file.
fn spoilt(mut file: Vec<u8>, from: f64, to: f64) -> Vec<u8> {
    let at = |share: f64| (file.len() as f64 * share) as usize;
    let (from, to) = (at(from), at(to));
    let mut random = speech::Random(5);
    for byte in &mut file[from..to] {
        *byte = random.below(256) as u8;
    }
    file
}

/// A recording and what must come of it.
struct Row {
    name: &'static str,
    make: fn(&Takes) -> Vec<u8>,
    said: fn(&Takes) -> Said,
    /// Container, codec, channels, sample rate, decoder.
    audio: (&'static str, &'static str, u32, u32, &'static str),
    /// The track that is heard, and how many there are.
    track: (u32, u32),
    /// Parts of `metadata.warning`; none: there must be none.
    warning: &'static [&'static str],
}

const OURS: &str = "symphonia";
const FFMPEG: &str = "ffmpeg";

/// One track that is whole and says what the first take says.
const fn row(
    name: &'static str,
    audio: (&'static str, &'static str, u32, u32, &'static str),
    make: fn(&Takes) -> Vec<u8>,
) -> Row {
    Row {
        name,
        make,
        said: Takes::one,
        audio,
        track: (1, 1),
        warning: &[],
    }
}

fn rows() -> Vec<Row> {
    let pcm = ("wav", "pcm_s16le", 1, 22_050, OURS);
    let mp3 = ("mp3", "mp3", 1, 44_100, OURS);
    let both = |takes: &Takes| takes.one().then(Said::of(&takes.two));
    let late = |takes: &Takes| takes.one().later(LATE_S);
    // Without its second phrase.
    let gap = |takes: &Takes| takes.one().without(takes.pause_s(1), takes.pause_s(2));
    vec![
        row("killed.wav", pcm, |takes| killed(takes.one.bytes(), 0, 0)),
        row("killed early.wav", pcm, |takes| {
            killed(takes.one.bytes(), 36, 0)
        }),
        row("streamed.wav", pcm, |takes| {
            killed(takes.one.bytes(), u32::MAX, u32::MAX)
        }),
        row(
            "rf64.wav",
            ("rf64", "pcm_s16le", 1, 22_050, OURS),
            |takes| ffmpeg(&[&takes.one], "FILE -rf64 always", "wav"),
        ),
        row("a.w64", ("w64", "pcm_s16le", 1, 22_050, OURS), |takes| {
            ffmpeg(&[&takes.one], "FILE", "w64")
        }),
        row("a.au", ("au", "pcm_mulaw", 1, 8000, OURS), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a pcm_mulaw -ar 8000", "au")
        }),
        row(
            "mulaw16.wav",
            ("wav", "pcm_mulaw", 1, 8000, OURS),
            |takes| short_head(ffmpeg(&[&takes.one], "FILE -c:a pcm_mulaw -ar 8000", "wav")),
        ),
        row("adpcm.wav", ("wav", "adpcm_ms", 1, 8000, OURS), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a adpcm_ms -ar 8000", "wav")
        }),
        row("gsm.wav", ("wav", "gsm_ms", 1, 8000, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a libgsm_ms -ar 8000", "wav")
        }),
        row("a.gsm", ("gsm", "gsm", 1, 8000, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a libgsm -ar 8000", "gsm")
        }),
        row(
            "g722.wav",
            ("wav", "adpcm_g722", 1, 16_000, FFMPEG),
            |takes| ffmpeg(&[&takes.one], "FILE -c:a g722 -ar 16000", "wav"),
        ),
        row("mp3.wav", ("wav", "mp3", 1, 44_100, OURS), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a libmp3lame -ar 44100", "wav")
        }),
        row(
            "big endian.mov",
            ("mov", "pcm_s24be", 1, 22_050, OURS),
            |takes| ffmpeg(&[&takes.one], "FILE -c:a pcm_s24be", "mov"),
        ),
        row("no xing.mp3", mp3, |takes| {
            ffmpeg(&[&takes.one], "FILE -write_xing 0 -q:a 5 -ar 44100", "mp3")
        }),
        Row {
            said: both,
            ..row("joined.mp3", mp3, |takes| {
                let part = |take| ffmpeg(&[take], "FILE -b:a 64k -ar 44100", "mp3");
                [part(&takes.one), part(&takes.two)].concat()
            })
        },
        Row {
            said: both,
            ..row("mono, then stereo.mp3", mp3, |takes| {
                let mono = ffmpeg(&[&takes.one], "FILE -b:a 64k -ar 44100", "mp3");
                let stereo = ffmpeg(&[&takes.two], "FILE -b:a 96k -ar 44100 -ac 2", "mp3");
                [mono, stereo].concat()
            })
        },
        Row {
            said: late,
            ..row("late.mp4", ("mp4", "aac", 1, 22_050, OURS), |takes| {
                let arguments = "PICTURE -itsoffset {LATE} FILE -t 40 -c:v mpeg4 -c:a aac";
                ffmpeg(&[&takes.one], arguments, "mp4")
            })
        },
        Row {
            said: late,
            ..row("late.mkv", ("mkv", "aac", 1, 22_050, OURS), |takes| {
                let arguments = "PICTURE -itsoffset {LATE} FILE -t 40 -c:v mpeg4 -c:a aac";
                ffmpeg(&[&takes.one], arguments, "mkv")
            })
        },
        Row {
            said: gap,
            ..row("gap.webm", ("webm", "opus", 1, 48_000, OURS), |takes| {
                let (from_s, to_s) = (takes.pause_s(1), takes.pause_s(2));
                let select = format!("FILE -af aselect=not(between(t\\,{from_s}\\,{to_s}))");
                ffmpeg(&[&takes.one], &format!("{select} -c:a libopus"), "webm")
            })
        },
        Row {
            said: gap,
            ..row("gap.m4a", ("mp4", "aac", 1, 22_050, OURS), |takes| {
                let (from_s, to_s) = (takes.pause_s(1), takes.pause_s(2));
                let select = format!("FILE -af aselect=not(between(t\\,{from_s}\\,{to_s}))");
                ffmpeg(&[&takes.one], &format!("{select} -c:a aac"), "m4a")
            })
        },
        Row {
            said: |takes| takes.one().later(-takes.pause_s(2)),
            ..row("trimmed.m4a", ("mp4", "aac", 1, 22_050, OURS), |takes| {
                trimmed(
                    ffmpeg(&[&takes.one], "FILE -c:a aac", "m4a"),
                    takes.pause_s(2),
                )
            })
        },
        row(
            "inverted.wav",
            ("wav", "pcm_s16le", 2, 22_050, OURS),
            |takes| ffmpeg(&[&takes.one], "FILE -af pan=stereo|c0=c0|c1=-1*c0", "wav"),
        ),
        Row {
            said: |takes| Said::of(&takes.two),
            track: (2, 2),
            ..row("default.mkv", ("mkv", "vorbis", 1, 22_050, OURS), |takes| {
                let arguments = "FILE FILE -map 0 -map 1 -c:a libvorbis -disposition:a:0 0 \
                                 -disposition:a:1 default";
                ffmpeg(&[&takes.one, &takes.two], arguments, "mkv")
            })
        },
        Row {
            track: (2, 2),
            warning: &["track 1 is silent: track 2 was transcribed"],
            ..row("silent.mp4", ("mp4", "aac", 1, 22_050, OURS), |takes| {
                let arguments = "SILENCE FILE -map 0 -map 1 -shortest -c:a aac";
                ffmpeg(&[&takes.one], arguments, "mp4")
            })
        },
        row("camera.mp4", ("mp4", "ac3", 6, 48_000, FFMPEG), |takes| {
            let arguments = "PICTURE FILE -shortest -c:v mpeg4 -c:a ac3 -ar 48000 -ac 6";
            ffmpeg(&[&takes.one], arguments, "mp4")
        }),
        row("surround.m4a", ("mp4", "aac", 6, 48_000, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a aac -ar 48000 -ac 6", "m4a")
        }),
        row("a.wma", ("asf", "wmav2", 1, 22_050, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a wmav2", "wma")
        }),
        row("a.avi", ("avi", "mp3", 1, 44_100, FFMPEG), |takes| {
            let arguments = "PICTURE FILE -shortest -c:v mpeg4 -c:a libmp3lame -ar 44100";
            ffmpeg(&[&takes.one], arguments, "avi")
        }),
        row("a.ts", ("mpegts", "mp2", 1, 48_000, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a mp2 -ar 48000", "ts")
        }),
        row("a.ac3", ("ac3", "ac3", 1, 32_000, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a ac3 -ar 32000", "ac3")
        }),
        row("a.3gp", ("3gp", "aac", 1, 22_050, OURS), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a aac", "3gp")
        }),
        row("a.spx", ("ogg", "speex", 1, 16_000, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a libspeex -ar 16000", "spx")
        }),
        row("a.wv", ("wv", "wavpack", 1, 22_050, FFMPEG), |takes| {
            ffmpeg(&[&takes.one], "FILE -c:a wavpack", "wv")
        }),
        Row {
            said: |takes| takes.one().until(takes.pause_s(3)),
            warning: &["the file was cut short: it ends after 8.9 s"],
            ..row("cut.wav", pcm, |takes| {
                let share = takes.pause_s(3) / takes.one().length_s;
                cut(takes.one.bytes(), share)
            })
        },
        Row {
            said: |takes| takes.one().until(takes.pause_s(3)),
            warning: &["the file was cut short: it ends after 8.9 s of 15.8 s"],
            ..row("cut.mp3", mp3, |takes| {
                let file = ffmpeg(&[&takes.one], "FILE -b:a 64k -ar 44100", "mp3");
                cut(file, takes.pause_s(3) / takes.one().length_s)
            })
        },
        Row {
            // What is lost is within a pause.
            warning: &["could not be decoded: ", " at 8."],
            ..row("scratched.mp3", mp3, |takes| {
                let file = ffmpeg(
                    &[&takes.one],
                    "FILE -b:a 64k -ar 44100 -write_xing 0",
                    "mp3",
                );
                let at = takes.pause_s(3) / takes.one().length_s;
                spoilt(file, at, at + 0.01)
            })
        },
        Row {
            said: |takes| takes.one().without(takes.pause_s(2), takes.pause_s(3)),
            warning: &["could not be decoded: ", " at 6."],
            ..row("scratched.mka", ("mkv", "mp3", 1, 44_100, OURS), |takes| {
                let arguments = "FILE -c:a libmp3lame -b:a 64k -ar 44100 -cluster_time_limit 500";
                let file = ffmpeg(&[&takes.one], arguments, "mka");
                let share = |s: f64| s / takes.one().length_s;
                spoilt(file, share(takes.pause_s(2)), share(takes.pause_s(3)))
            })
        },
    ]
}

#[test]
fn recordings_of_every_make_come_as_text_with_what_is_known_of_them() {
    let daemon = Daemon::start();
    let takes = Takes::new();
    let rows = rows();
    let sent: Vec<_> = rows
        .iter()
        .map(|row| tus::upload(daemon.address(), row.name, &(row.make)(&takes)))
        .collect();
    let mut wrong = Vec::new();
    let mut sum = Tally::default();
    for (row, upload) in rows.iter().zip(&sent) {
        let task = task::ended(daemon.address(), upload.id());
        if task["status"] != "completed" {
            wrong.push(format!("{}: {task}", row.name));
            continue;
        }
        let said = (row.said)(&takes);
        let heard = task::segments(&task["result"]);
        let Difference { words, off_s } = Difference::of(&said.phrases, &heard);
        let metadata = &task["metadata"];
        println!(
            "{}: {}/{} words, {off_s:.2} s: {} {}",
            row.name, words.wrong, words.said, metadata["audio"], metadata["warning"]
        );
        sum = sum.plus(words);
        if words.wrong > WRONG_MAX || off_s > OFF_MAX_S || !is_described(row, &said, metadata) {
            wrong.push(format!(
                "{}: {:#?} {heard:#?} {metadata}",
                row.name, said.phrases
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(sum.percent() <= WRONG_MAX_PERCENT, "{sum:?}");
}

fn is_described(row: &Row, said: &Said, metadata: &Value) -> bool {
    let (container, codec, channels, sample_rate, decoder) = row.audio;
    let (track, tracks) = row.track;
    let mut audio = metadata["audio"].clone();
    let duration_s = audio["duration"].take().as_f64().unwrap_or_default();
    let expected = json!({
        "container": container, "codec": codec, "channels": channels, "decoder": decoder,
        "sample_rate": sample_rate, "track": track, "tracks": tracks, "duration": null,
    });
    let is_told = match row.warning {
        [] => metadata["warning"].is_null(),
        parts => {
            let warning = metadata["warning"].as_str().unwrap_or_default();
            parts.iter().all(|part| warning.contains(part))
        }
    };
    audio == expected && (duration_s - said.length_s).abs() < OFF_MAX_S && is_told
}
