//! Recordings of people on which players, telephones and recorders did what the
//! standards do not foresee, with a real model: it must say the same as on what
//! ffmpeg decodes of the file, at the same times. They and the model are in a
//! folder beside the project that not every machine has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::difference::{Difference, phrases};
use crate::speech;
use crate::task::{self, Segment};
use crate::tus;
use crate::wer::words;

const MODEL: &str = "tiny.en-q5_1";
const OFF_MAX_S: f64 = 1.0;
const WRONG_MAX_PERCENT: f64 = 10.0;

/// Gaps become silence, and what begins late begins late.
const AS_TIMED: &str = "-af aresample=16000:async=1:first_pts=0 -ac 1";
/// One channel, for the mix of both is silence.
const LEFT: &str = "-af pan=mono|c0=c0,aresample=16000";
/// The track that a player plays, or in which there is something.
const SECOND_TRACK: &str = "-map 0:a:1 -af aresample=16000:async=1:first_pts=0 -ac 1";

/// Name, how ffmpeg decodes it, what `metadata.warning` must have in it ("": none).
type Finding = (&'static str, &'static str, &'static str);

const FINDINGS: [Finding; 51] = [
    ("findings/mp3-vbr-no-xing.mp3", AS_TIMED, ""),
    ("findings/mp3-vbr-no-xing-noise-first.mp3", AS_TIMED, ""),
    ("findings/mp3-two-files-joined.mp3", AS_TIMED, ""),
    ("findings/mp3-xing-0-frames.mp3", AS_TIMED, ""),
    ("findings/mp3-mono-then-stereo.mp3", AS_TIMED, ""),
    ("findings/late.mkv", AS_TIMED, ""),
    ("findings/late.mp4", AS_TIMED, ""),
    ("findings/gap.webm", AS_TIMED, ""),
    ("findings/gap.m4a", AS_TIMED, ""),
    ("findings/elst_trim.m4a", AS_TIMED, ""),
    ("findings/wav-riff0data0.wav", AS_TIMED, ""),
    ("findings/wav-riff36data0.wav", AS_TIMED, ""),
    ("findings/wav-riffFFdata0.wav", AS_TIMED, ""),
    ("findings/wav-arecord.wav", AS_TIMED, ""),
    ("findings/wav-oddlist.wav", AS_TIMED, ""),
    ("findings/wav-RF64.wav", AS_TIMED, ""),
    ("findings/wav-mulaw16.wav", AS_TIMED, ""),
    ("findings/wav-extmulaw.wav", AS_TIMED, ""),
    ("findings/wav-fmt20.wav", AS_TIMED, ""),
    ("findings/wav-gsm.wav", AS_TIMED, ""),
    ("findings/wav-g726.wav", AS_TIMED, ""),
    ("findings/wav-mp3in.wav", AS_TIMED, ""),
    ("findings/wav-extf32_valid0.wav", AS_TIMED, ""),
    ("findings/mov_pcm_s24be.mov", AS_TIMED, ""),
    ("findings/mov_alac.mov", AS_TIMED, ""),
    ("findings/mov_pcm_mulaw.mov", AS_TIMED, ""),
    ("findings/phase.mp3", LEFT, ""),
    ("findings/stsd2_audio.mp4", AS_TIMED, ""),
    ("findings/two_default2.mkv", SECOND_TRACK, ""),
    (
        "findings/two_silentfirst.mkv",
        SECOND_TRACK,
        "track 1 is silent",
    ),
    ("findings/c51.m4a", AS_TIMED, ""),
    ("findings/zlib_mp3.mka", AS_TIMED, ""),
    ("derived-bad-wav-size-0.wav", AS_TIMED, ""),
    ("derived-bad-mp3-named.wav", AS_TIMED, ""),
    ("derived-bad-truncated.mp3", AS_TIMED, "cut short"),
    ("derived-codec-8kbps-8k.mp3", AS_TIMED, ""),
    ("derived-codec-ac3-5.1.mkv", AS_TIMED, ""),
    ("derived-codec-adpcm-ms.wav", AS_TIMED, ""),
    ("derived-codec-alac.caf", AS_TIMED, ""),
    ("derived-codec-alaw-8k.wav", AS_TIMED, ""),
    ("derived-codec-amr-nb.amr", AS_TIMED, ""),
    ("derived-codec-avi-mp3.avi", AS_TIMED, ""),
    ("derived-codec-mpegts.ts", AS_TIMED, ""),
    ("derived-codec-mulaw.au", AS_TIMED, ""),
    ("derived-codec-pcm-5.1-48k.wav", AS_TIMED, ""),
    ("derived-codec-raw-gsm.gsm", AS_TIMED, ""),
    ("derived-codec-sowt.aifc", AS_TIMED, ""),
    ("derived-codec-tta.tta", AS_TIMED, ""),
    ("derived-codec-w64.w64", AS_TIMED, ""),
    ("derived-stereo-antiphase.wav", LEFT, ""),
    ("constme-columbia.wma", AS_TIMED, ""),
];

/// What its owner cut away of a recording, and an older player plays all the same.
const TRIMMED: &str = "findings/elst_trim.m4a";
const UNTRIMMED: &str = "-ignore_editlist 1";

/// The folder of that name beside the project.
fn shared(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(name)
}

/// What ffmpeg decodes, as a WAV file.
fn decoded(input: &str, file: &Path, output: &str) -> Vec<u8> {
    let path = speech::cached(&(input, file, output), "wav", |path| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y"]);
        ffmpeg.args(input.split_whitespace()).arg("-i").arg(file);
        ffmpeg.args(output.split_whitespace()).arg(path);
        speech::run(&mut ffmpeg);
    });
    fs::read(path).unwrap()
}

/// A daemon with the model, and what it was given.
struct Listener {
    daemon: Daemon,
    /// Tasks by what was uploaded: many of these files hold the same sound.
    tasks: BTreeMap<(String, Vec<u8>), String>,
}

impl Listener {
    fn start() -> Listener {
        let folder = Daemon::folder();
        let model = format!("ggml-{MODEL}.bin");
        let to = folder.path().join("models").join(&model);
        std::os::unix::fs::symlink(shared("models").join(&model), to).unwrap();
        Listener {
            daemon: Daemon::start_unready(folder, &[]),
            tasks: BTreeMap::new(),
        }
    }

    /// The id of the task in which it transcribes this.
    fn give(&mut self, name: &str, content: Vec<u8>) -> String {
        let address = self.daemon.address();
        let task = self.tasks.entry((name.to_owned(), content));
        let upload = |(name, content): &(String, Vec<u8>)| {
            tus::upload(address, name, content).id().to_owned()
        };
        match task {
            std::collections::btree_map::Entry::Occupied(task) => task.get().clone(),
            std::collections::btree_map::Entry::Vacant(task) => {
                let id = upload(task.key());
                task.insert(id).clone()
            }
        }
    }

    fn transcript(&self, id: &str) -> Vec<Segment> {
        task::transcript(self.daemon.address(), id)
    }

    fn metadata(&self, id: &str) -> Value {
        task::look(self.daemon.address(), id)["metadata"].clone()
    }
}

#[test]
fn a_real_model_says_of_every_kind_of_recording_what_it_says_of_its_sound() {
    let recordings = shared("speech");
    if !recordings.join("findings").exists() || !shared("models").exists() {
        println!("left out: there is no {}", recordings.display());
        return;
    }
    let mut listener = Listener::start();
    let mut given = Vec::new();
    for (name, output, warning) in FINDINGS {
        let file = recordings.join(name);
        let extension = file.extension().unwrap().to_str().unwrap();
        let it = listener.give(&format!("a.{extension}"), fs::read(&file).unwrap());
        let truth = listener.give("truth.wav", decoded("", &file, output));
        given.push((name, it, truth, warning));
    }
    let untrimmed = decoded(UNTRIMMED, &recordings.join(TRIMMED), AS_TIMED);
    let untrimmed = listener.give("untrimmed.wav", untrimmed);

    let mut wrong = Vec::new();
    for (name, it, truth, warning) in &given {
        let (heard, truth) = (listener.transcript(it), listener.transcript(truth));
        let Difference { words, off_s } = Difference::of(&phrases(&truth), &heard);
        let metadata = listener.metadata(it);
        let told = metadata["warning"].as_str().unwrap_or_default();
        println!(
            "{name}: {}/{} words, {off_s:.2} s, {}, {told:?}",
            words.wrong, words.said, metadata["format"]
        );
        let is_told = match *warning {
            "" => told.is_empty(),
            warning => told.contains(warning),
        };
        if words.said == 0 || words.percent() > WRONG_MAX_PERCENT || off_s > OFF_MAX_S || !is_told {
            wrong.push((name, heard, truth, metadata));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong: {wrong:#?}", wrong.len());

    let (_, trimmed, truth, _) = given.iter().find(|given| given.0 == TRIMMED).unwrap();
    let said = |id: &str| words(&task::text(&listener.transcript(id)));
    let (heard, truth, all) = (said(trimmed), said(truth), said(&untrimmed));
    let cut_away: Vec<&String> = all.iter().filter(|word| !truth.contains(word)).collect();
    assert!(cut_away.len() > 5, "{truth:?} of {all:?}");
    let told: Vec<_> = cut_away
        .iter()
        .filter(|word| heard.contains(word))
        .collect();
    assert!(told.is_empty(), "{told:?} was cut away");
}
