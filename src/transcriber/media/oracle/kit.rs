//! Speech to encode, and ffmpeg to encode it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// No two sentences share a word, so that no two parts sound alike.
const TEXT: &str = "The harbour master wrote down every ship that left before noon. Eleven barges \
    carried timber, two brought salt, and one was empty. Her brother preferred his quiet road \
    behind our orchard, where foxes crossed at dusk. Please fetch three jugs of cold water with a \
    ladder. Nobody in this village remembers when lightning struck their old church tower. \
    Yesterday morning six engineers measured how deep snow lay on mountain passes. Children \
    laughed because my grandfather danced, singing loudly about a purple elephant. We shall \
    answer your letters next Thursday, unless heavy storms delay postal trains again.";

/// Lengths of the encoded recordings in milliseconds.
pub const LENGTHS_MS: [u32; 8] = [50, 120, 300, 1000, 2500, 4000, 7000, 12000];

/// The longest one.
pub const LONG_MS: u32 = 40_000;

/// A folder for the files of one test, and their sources.
pub struct Kit {
    folder: TempDir,
}

impl Kit {
    /// Synthesises speech of all lengths.
    pub fn new() -> Self {
        let mut folder = tempfile::tempdir().unwrap();
        if std::env::var_os("ORACLE_KEEP").is_some() {
            folder.disable_cleanup(true);
            println!("KEPT {}", folder.path().display());
        }
        let kit = Self { folder };
        let spoken = kit.path("spoken.wav");
        run(Command::new("espeak-ng")
            .args(["-v", "en-us+m3", "-w"])
            .arg(&spoken)
            .arg(TEXT))
        .unwrap();
        // Faint noise: pauses are not digital silence, and no two are the same.
        let mut ffmpeg = command();
        ffmpeg.arg("-i").arg(&spoken).args([
            "-f",
            "lavfi",
            "-i",
            "anoisesrc=r=22050:a=0.002:seed=1:d=60",
        ]);
        let mut graph = format!(
            "[0][1]amix=duration=first:normalize=0,aresample=48000,apad=whole_dur=40,asplit={}",
            LENGTHS_MS.len() + 1
        );
        let lengths: Vec<u32> = LENGTHS_MS.into_iter().chain([LONG_MS]).collect();
        for length_ms in &lengths {
            graph += &format!("[s{length_ms}]");
        }
        for length_ms in &lengths {
            // Short ones start in the middle of a word.
            let start_s = if *length_ms < 2000 { 1.3 } else { 0.0 };
            graph += &format!(
                ";[s{length_ms}]atrim={start_s}:{},asetpts=PTS-STARTPTS[t{length_ms}]",
                start_s + f64::from(*length_ms) / 1e3
            );
        }
        ffmpeg.args(["-filter_complex", &graph]);
        for length_ms in &lengths {
            ffmpeg
                .args(["-map", &format!("[t{length_ms}]"), "-c:a", "pcm_f32le"])
                .arg(kit.speech(*length_ms));
        }
        run(&mut ffmpeg).unwrap();
        kit
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Speech of one of the lengths: mono, 48 kHz.
    pub fn speech(&self, length_ms: u32) -> PathBuf {
        self.path(&format!("speech-{length_ms}.wav"))
    }

    /// Whether this is one of [`Kit::speech`].
    pub fn is_speech(path: &Path) -> bool {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("speech-"))
    }

    /// Runs ffmpeg in the folder with these arguments, separated by blanks; `'`
    /// quotes arguments that contain one.
    pub fn ffmpeg(&self, arguments: &str) -> Result<(), String> {
        let mut ffmpeg = command();
        ffmpeg.current_dir(self.folder.path());
        ffmpeg.args(words(arguments));
        run(&mut ffmpeg)
    }

    /// What ffmpeg writes into a pipe, where it cannot seek back to complete the
    /// header; the output must be `-`.
    pub fn piped(&self, arguments: &str) -> Result<Vec<u8>, String> {
        let mut ffmpeg = command();
        ffmpeg.current_dir(self.folder.path());
        let output = ffmpeg
            .args(words(arguments))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("ffmpeg: {error}"))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// All bytes of a file in the folder.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// A file in the folder with these bytes.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }
}

/// A non-interactive ffmpeg.
pub fn command() -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-y"]);
    ffmpeg
}

/// Splits at blanks, except within `'`.
pub fn words(arguments: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in arguments.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Runs a command; fails with the start of its error output.
pub fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(message.lines().next().unwrap_or("failed").to_owned())
}

/// Whether a file has more than a header.
pub fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}
