//! Recordings of people on which players, telephones and recorders did what the
//! standards do not foresee, with a real model: it must say the same as on what
//! ffmpeg decodes of the file, at the same times. They and the model are in a
//! folder beside the project that not every machine has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::fixtures::wer::{Tally, words as words_of};
use crate::support::daemon::Daemon;
use crate::support::speech;
use crate::support::task;
use crate::support::tus;

const MODEL: &str = "tiny.en-q5_1";
const OFF_MAX_S: f64 = 1.0;
const WRONG_MAX_PERCENT: f64 = 10.0;

/// Gaps become silence, and what begins late begins late.
const AS_TIMED: &str = "-af aresample=16000:async=1:first_pts=0 -ac 1";
/// Without times: ffmpeg 5.1 adds silence where the channels change.
const AS_IT_COMES: &str = "-ar 16000 -ac 1";
/// One channel, for the mix of both is silence.
const LEFT: &str = "-af pan=mono|c0=c0,aresample=16000";
/// The track that a player plays, or in which there is something.
const SECOND_TRACK: &str = "-map 0:a:1 -af aresample=16000:async=1:first_pts=0 -ac 1";

/// Name, how ffmpeg decodes it, what `metadata.warning` must have in it ("": none).
type Finding = (&'static str, &'static str, &'static str);

const FINDINGS: [Finding; 35] = [
    ("findings/mp3-vbr-no-xing.mp3", AS_TIMED, ""),
    ("findings/mp3-vbr-no-xing-noise-first.mp3", AS_TIMED, ""),
    ("findings/mp3-two-files-joined.mp3", AS_TIMED, ""),
    ("findings/mp3-xing-0-frames.mp3", AS_TIMED, ""),
    ("findings/mp3-mono-then-stereo.mp3", AS_IT_COMES, ""),
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
    ("derived-codec-ac3-5.1.mkv", AS_TIMED, ""),
    ("derived-codec-amr-nb.amr", AS_TIMED, ""),
    ("derived-stereo-antiphase.wav", LEFT, ""),
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
struct RealModel {
    daemon: Daemon,
    /// Tasks by what was uploaded: many of these files hold the same sound.
    tasks: HashMap<Vec<u8>, String>,
}

impl RealModel {
    fn start() -> RealModel {
        let folder = Daemon::folder();
        let model = format!("ggml-{MODEL}.bin");
        let to = folder.path().join("models").join(&model);
        std::os::unix::fs::symlink(shared("models").join(&model), to).unwrap();
        RealModel {
            daemon: Daemon::start_unready(folder, &[]),
            tasks: HashMap::new(),
        }
    }

    /// The id of the task in which it transcribes this.
    fn give(&mut self, content: Vec<u8>) -> String {
        let address = self.daemon.address();
        let upload = |content: &Vec<u8>| tus::upload(address, "recording", content).id().to_owned();
        match self.tasks.entry(content) {
            Entry::Occupied(task) => task.get().clone(),
            Entry::Vacant(task) => {
                let id = upload(task.key());
                task.insert(id).clone()
            }
        }
    }

    /// What it heard, word by word, and the task.
    fn heard(&self, id: &str) -> (Vec<Word>, Value) {
        task::transcript(self.daemon.address(), id);
        let task = task::look(self.daemon.address(), id);
        let segments = task["result"]["segments"].as_array().unwrap();
        let words = segments
            .iter()
            .flat_map(|segment| segment["words"].as_array().unwrap());
        let word = |word: &Value| Word {
            start_s: word["start"].as_f64().unwrap(),
            text: words_of(word["word"].as_str().unwrap()).concat(),
        };
        (words.map(word).collect(), task["metadata"].clone())
    }
}

/// A word and when it begins.
#[derive(Debug, Clone, PartialEq)]
struct Word {
    start_s: f64,
    text: String,
}

fn text(words: &[Word]) -> String {
    let texts: Vec<&str> = words.iter().map(|word| &*word.text).collect();
    texts.join(" ")
}

/// How far the worst of the words that are in both is off, by the longest
/// sequence of these.
fn off_s(truth: &[Word], heard: &[Word]) -> f64 {
    let mut lengths = vec![vec![0; heard.len() + 1]; truth.len() + 1];
    for (i, a) in truth.iter().enumerate().rev() {
        for (j, b) in heard.iter().enumerate().rev() {
            lengths[i][j] = match a.text == b.text {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut worst_s) = (0, 0, 0.0_f64);
    while let (Some(a), Some(b)) = (truth.get(i), heard.get(j)) {
        if a.text == b.text {
            worst_s = worst_s.max((a.start_s - b.start_s).abs());
            (i, j) = (i + 1, j + 1);
        } else if lengths[i + 1][j] >= lengths[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    worst_s
}

#[test]
fn a_real_model_says_of_every_kind_of_recording_what_it_says_of_its_sound() {
    let recordings = shared("speech");
    if !recordings.join("findings").exists() || !shared("models").exists() {
        println!("left out: there is no {}", recordings.display());
        return;
    }
    let mut listener = RealModel::start();
    let mut given = Vec::new();
    for (name, output, warning) in FINDINGS {
        let file = recordings.join(name);
        let it = listener.give(fs::read(&file).unwrap());
        let truth = listener.give(decoded("", &file, output));
        given.push((name, it, truth, warning));
    }
    let untrimmed = decoded(UNTRIMMED, &recordings.join(TRIMMED), AS_TIMED);
    let untrimmed = listener.give(untrimmed);

    let mut wrong = Vec::new();
    for (name, it, truth, warning) in &given {
        let ((heard, metadata), (truth, _)) = (listener.heard(it), listener.heard(truth));
        let words = Tally::of(&text(&truth), &text(&heard));
        let off_s = off_s(&truth, &heard);
        let reported = metadata["warning"].as_str().unwrap_or_default();
        println!(
            "{name}: {}/{} words, {off_s:.2} s, {}, {reported:?}",
            words.wrong, words.said, metadata["format"]
        );
        let is_told = match *warning {
            "" => reported.is_empty(),
            warning => reported.contains(warning),
        };
        if words.said == 0 || words.percent() > WRONG_MAX_PERCENT || off_s > OFF_MAX_S || !is_told {
            wrong.push((name, heard, truth, metadata));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong: {wrong:#?}", wrong.len());

    let (_, trimmed, truth, _) = given.iter().find(|given| given.0 == TRIMMED).unwrap();
    let [heard, truth, all] = [trimmed, truth, &untrimmed].map(|id| listener.heard(id).0);
    let is_in = |words: &[Word], word: &Word| words.iter().any(|other| other.text == word.text);
    let cut_away: Vec<&Word> = all.iter().filter(|word| !is_in(&truth, word)).collect();
    assert!(cut_away.len() > 5, "{truth:?} of {all:?}");
    let reported = cut_away.iter().find(|word| is_in(&heard, word));
    assert_eq!(reported, None, "it was cut away");
}

#[test]
fn words_at_other_times_are_noticed() {
    let words = |text: &str, late_s: f64| -> Vec<Word> {
        let word = |(index, text): (usize, &str)| Word {
            start_s: index as f64 + late_s,
            text: text.to_owned(),
        };
        text.split(' ').enumerate().map(word).collect()
    };
    let truth = words("and mister john had then", 0.0);
    for (heard, expected_s) in [
        (words("and mister john had then", 0.0), 0.0),
        (words("and mister john had then", 6.0), 6.0),
        (words("uh and mister john had then", -1.0), 0.0),
        (words("and mr john then", 0.0), 1.0),
        (words("nothing else", 0.0), 0.0),
    ] {
        assert_eq!(off_s(&truth, &heard), expected_s, "{heard:?}");
    }
}
