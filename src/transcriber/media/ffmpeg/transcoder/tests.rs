//! Tests with the installed ffmpeg, and with fake programs in its place.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use nix::sys::signal::{Signal, kill};

use super::super::{Track, program};
use super::*;
use crate::testing::{self, PHRASE};

const OPTIONS: Options = Options {
    demuxer: None,
    track: 0,
    length_max_s: 100_000,
};
/// Upper bound of deviations in length: frames are up to 64 ms long, and encoders
/// add up to two of them.
const TOLERANCE_S: f64 = 0.2;

static SPOKEN: LazyLock<File> = LazyLock::new(|| testing::spoken(PHRASE));

struct Transcoded {
    samples: Vec<f32>,
    channels: usize,
    mask: u32,
    input: Option<Input>,
    trouble: DecodeReport,
}

impl Transcoded {
    fn length_s(&self) -> f64 {
        (self.samples.len() / self.channels) as f64 / f64::from(SAMPLE_RATE)
    }

    /// Number of audible tenths of a second in the first channel, by whole
    /// seconds.
    fn loud(&self) -> Vec<usize> {
        let mono: Vec<f32> = self
            .samples
            .iter()
            .step_by(self.channels)
            .copied()
            .collect();
        let tenths = mono.chunks(SAMPLE_RATE as usize / 10);
        let tenths: Vec<bool> = tenths
            .map(|tenth| tenth.iter().any(|sample| sample.abs() > 0.01))
            .collect();
        let seconds = tenths.chunks(10);
        seconds
            .map(|second| second.iter().filter(|loud| **loud).count())
            .collect()
    }
}

fn source(file: &File) -> Source {
    Source::new(file.try_clone().unwrap(), file.metadata().unwrap().len())
}

fn real() -> PathBuf {
    program().expect("ffmpeg is needed for this test")
}

fn run(mut transcoder: Transcoder) -> Result<Transcoded, MediaError> {
    let mut samples = Vec::new();
    loop {
        match transcoder.step(&mut samples) {
            Step::End => break,
            Step::Opened => assert!(samples.is_empty() && transcoder.channels() > 0),
            Step::Waiting | Step::Samples => {}
        }
    }
    let (channels, mask) = (transcoder.channels(), transcoder.channel_mask());
    let input = transcoder.input();
    Ok(Transcoded {
        samples,
        channels: usize::from(channels),
        mask,
        input,
        trouble: transcoder.finish()?,
    })
}

fn transcode(file: &File) -> Result<Transcoded, MediaError> {
    run(Transcoder::start(&real(), &source(file), OPTIONS)?)
}

/// A file made by the installed ffmpeg.
fn made(arguments: &str, name: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let status = Command::new(real())
        .args(["-v", "error"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{arguments}");
    File::open(path).unwrap()
}

fn spoken(arguments: &str) -> File {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    testing::converted(&SPOKEN, &arguments)
}

fn adaptive_multi_rate() -> File {
    let mut input = SPOKEN.try_clone().unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    let output = Command::new("sox")
        .args("-t wav - -t amr-nb -r 8000 -c 1 -".split(' '))
        .stdin(input)
        .output()
        .expect("sox is needed for this test");
    assert!(output.status.success(), "{output:?}");
    testing::file(&output.stdout)
}

#[test]
fn every_format_has_the_right_length_and_channels() {
    let amr = adaptive_multi_rate();
    let surround = "-af pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0";
    let whole_s = testing::decoded(&SPOKEN).len() as f64 / f64::from(SAMPLE_RATE);
    let mut failed = Vec::new();
    for (file, container, codec, channels, mask) in [
        (amr.try_clone().unwrap(), "amr", "amr_nb", 1, 0x4),
        // As telephones write it: `moov` at the end.
        (
            testing::converted(&amr, &["-c", "copy", "-f", "3gp"]),
            "3gp",
            "amr_nb",
            1,
            0x4,
        ),
        (spoken("-f asf -c:a wmav2 -ac 2"), "asf", "wmav2", 2, 0x3),
        (spoken("-f avi -c:a mp3"), "avi", "mp3", 1, 0x4),
        (spoken("-f mpegts -c:a aac"), "mpegts", "aac", 1, 0x4),
        (
            spoken(&format!("{surround} -f ac3 -ar 48000")),
            "ac3",
            "ac3",
            6,
            0x60f,
        ),
        (spoken("-f eac3 -ar 48000"), "eac3", "eac3", 1, 0x4),
        (
            spoken(&format!("{surround} -f mp4 -c:a aac")),
            "mp4",
            "aac",
            6,
            0x3f,
        ),
        (
            spoken("-f ogg -c:a libspeex -ar 16000"),
            "ogg",
            "speex",
            1,
            // From libspeex, which does not state positions.
            0x4,
        ),
        (spoken("-f wv"), "wv", "wavpack", 1, 0x4),
        (spoken("-f tta"), "tta", "tta", 1, 0),
        (
            spoken("-f wav -c:a libgsm_ms -ar 8000"),
            "wav",
            "gsm_ms",
            1,
            0x4,
        ),
        (
            spoken("-f wav -c:a g722 -ar 16000"),
            "wav",
            "adpcm_g722",
            1,
            0x4,
        ),
        (
            spoken("-f wav -c:a g726 -ar 8000"),
            "wav",
            "adpcm_g726",
            1,
            0x4,
        ),
        (spoken("-f gsm -ar 8000"), "gsm", "gsm", 1, 0x4),
        (
            spoken("-f dts -strict -2 -ar 48000 -ac 2"),
            "dts",
            "dts",
            2,
            0x3,
        ),
        (
            spoken("-f mxf_opatom -ar 48000"),
            "mxf",
            "pcm_s16le",
            1,
            0x4,
        ),
        // Its packet table is at the end.
        (spoken("-f caf -c:a alac"), "caf", "alac", 1, 0x4),
    ] {
        let found = match transcode(&file) {
            Ok(found) => found,
            Err(error) => {
                failed.push(format!("{container}/{codec}: {error}"));
                continue;
            }
        };
        let input = found.input.clone().unwrap();
        let is = (
            &*input.container,
            &*input.tracks[0].codec,
            found.channels,
            found.mask,
        );
        if is != (container, codec, channels, mask) {
            failed.push(format!("{container}/{codec}: {is:x?}"));
        }
        if (found.length_s() - whole_s).abs() > TOLERANCE_S {
            failed.push(format!(
                "{container}/{codec}: {} s of {whole_s}",
                found.length_s()
            ));
        }
        if found.trouble.damaged_packets > 0 || found.trouble.stopped_early.is_some() {
            failed.push(format!("{container}/{codec}: {:?}", found.trouble));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// ffmpeg cannot decode the packets of silence.
#[test]
fn discontinuous_transmission_is_not_damage() {
    const SILENCE: &[u8] = b"\x44\0\0\0\0\0\x7c\x7c\x7c\x7c\x7c\x7c\x7c";
    // 4.75 kbit/s: 13 bytes for 20 ms.
    let content = testing::bytes(&adaptive_multi_rate());
    let speech = &content[6..6 + 50 * 13];
    let pause = SILENCE.repeat(50);
    let bare = testing::file(&[&content[..6], speech, &pause, speech].concat());
    let found = transcode(&bare).unwrap();
    assert!(
        (found.length_s() - 10.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
    assert_eq!(found.trouble, DecodeReport::default());
    assert_eq!(found.loud()[2..8], [0; 6]);
    // The container includes the silence at the end.
    let bare = testing::file(&[&content[..6], speech, &pause].concat());
    let found = transcode(&testing::converted(&bare, &["-c", "copy", "-f", "3gp"])).unwrap();
    assert!(
        (found.length_s() - 9.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
}

const TONE: &str = "-f lavfi -i sine=r=48000:duration";

#[test]
fn timestamps_are_preserved() {
    let with_picture = format!(
        "-f lavfi -i testsrc=d=6:s=64x64:r=10 -itsoffset 2 {TONE}=3 -c:v mpeg2video -c:a mp2"
    );
    let gap = format!("{TONE}=50 -af aselect='not(between(t,2,40))' -c:a mp2");
    let pause = format!("{TONE}=4 -af asetpts=PTS+gte(T\\,2)*1200/TB -c:a mp2");
    let mut pause_loud = vec![0; 1204];
    pause_loud[..2].fill(10);
    pause_loud[1202..].fill(10);
    let mut gap_loud = vec![0; 50];
    gap_loud[..2].fill(10);
    gap_loud[40..].fill(10);
    for (file, loud) in [
        // Audio that begins after the video.
        (made(&with_picture, "late.ts"), vec![0, 0, 10, 10, 10]),
        (made(&with_picture, "late.mkv"), vec![0, 0, 10, 10, 10]),
        // Audio alone, with a clock that does not begin at 0.
        (
            made(
                &format!("-itsoffset 100 {TONE}=3 -copyts -c:a mp2"),
                "late.mkv",
            ),
            vec![10, 10, 10],
        ),
        (
            made(
                &format!("-itsoffset 100 {TONE}=3 -copyts -c:a mp2"),
                "late.ts",
            ),
            vec![10, 10, 10],
        ),
        (made(&gap, "gap.mkv"), gap_loud.clone()),
        (made(&gap, "gap.ts"), gap_loud),
        (made(&pause, "pause.mkv"), pause_loud),
    ] {
        let mut found = transcode(&file).unwrap().loud();
        // The last frame of an encoder.
        found.truncate(loud.len());
        let near = found
            .iter()
            .zip(&loud)
            .all(|(one, other)| one.abs_diff(*other) <= 1);
        assert!(near && found.len() == loud.len(), "{found:?}, not {loud:?}");
    }
}

/// Longer than ffmpeg's buffer of a pipe, so that it cannot seek back.
#[test]
fn moov_may_be_at_the_end() {
    let file = made(&format!("{TONE}=120 -c:a aac -b:a 256k"), "behind.m4a");
    let content = testing::bytes(&file);
    let find = |kind: &[u8]| content.windows(4).position(|part| part == kind);
    assert!(find(b"mdat") < find(b"moov") && content.len() > 1024 * 1024);
    let found = transcode(&file).unwrap();
    assert!(
        (found.length_s() - 120.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
    assert!(found.loud()[..120].iter().all(|loud| *loud >= 9));
}

#[test]
fn a_clock_reset_loses_nothing() {
    let one = testing::bytes(&made(&format!("{TONE}=3 -c:a mp2"), "one.ts"));
    let found = transcode(&testing::file(&one.repeat(3))).unwrap();
    assert!(
        (found.length_s() - 9.0).abs() < TOLERANCE_S,
        "{} s",
        found.length_s()
    );
    assert!(found.loud().iter().take(9).all(|loud| *loud >= 9));
}

#[test]
fn one_of_several_tracks_is_selected() {
    let arguments = format!(
        "{TONE}=1 {TONE}=2 -f lavfi -i testsrc=d=2:s=64x64:r=10 -map 2 -map 0 -map 1 -c:v mpeg4 \
         -c:a ac3 -ac:a:1 2 -metadata:s:a:1 language=deu -disposition:a:1 default -disposition:a:0 0"
    );
    let file = made(&arguments, "two.mkv");
    for (track, length_s) in [(0, 1.0), (1, 2.0)] {
        let options = Options { track, ..OPTIONS };
        let found = run(Transcoder::start(&real(), &source(&file), options).unwrap()).unwrap();
        assert!((found.length_s() - length_s).abs() < TOLERANCE_S);
        let input = found.input.unwrap();
        assert_eq!(input.others, "1 video track");
        assert!((input.duration_s.unwrap() - 2.0).abs() < TOLERANCE_S);
        let track = |channels, is_default, language: Option<&str>| Track {
            codec: "ac3".to_owned(),
            sample_rate: Some(48_000),
            channels: Some(channels),
            is_default,
            language: language.map(str::to_owned),
        };
        assert_eq!(
            input.tracks,
            [track(1, false, None), track(2, true, Some("deu"))]
        );
    }
    let silent = made(
        "-f lavfi -i testsrc=d=1:s=64x64:r=10 -c:v mpeg4",
        "silent.avi",
    );
    let error = transcode(&silent).err().unwrap();
    assert!(
        matches!(&error, MediaError::NoAudioTrack(others) if others == "1 video track"),
        "{error}"
    );
}

#[test]
fn lengths_are_bounded() {
    let file = made(&format!("{TONE}=20 -c:a ac3"), "long.ac3");
    let options = Options {
        length_max_s: 5,
        ..OPTIONS
    };
    let found = run(Transcoder::start(&real(), &source(&file), options).unwrap()).unwrap();
    assert_eq!(found.length_s(), 5.0);
}

#[test]
fn damage_is_counted_and_survived() {
    let file = made(&format!("{TONE}=20 -c:a ac3"), "long.ac3");
    let mut content = testing::bytes(&file);
    let middle = content.len() / 2;
    content[middle..middle + 4000].fill(0x55);
    let found = transcode(&testing::file(&content)).unwrap();
    assert!(found.trouble.damaged_packets > 0, "{:?}", found.trouble);
    assert!(
        (found.length_s() - 20.0).abs() < 1.0,
        "{} s",
        found.length_s()
    );
    content.truncate(middle);
    let found = transcode(&testing::file(&content)).unwrap();
    assert!((found.length_s() - 10.0).abs() < TOLERANCE_S);
}

#[test]
fn other_files_are_refused_with_a_reason() {
    for content in [&b"Dear Sir or Madam"[..], &[0; 100_000], b"#!AMR\n", b""] {
        let error = transcode(&testing::file(content)).err().unwrap();
        assert!(matches!(error, MediaError::Ffmpeg(_)), "{error}");
        let text = error.to_string();
        assert!(!text.contains("pipe:") && !text.contains(": ;"), "{text}");
    }
}

// ---- hostile recordings ----

/// Files that refer to others, in formats that ffmpeg supports.
#[test]
fn nothing_but_the_recording_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary.ts");
    let tone = made(&format!("{TONE}=3 -c:a mp2"), "tone.ts");
    fs::write(&canary, testing::bytes(&tone)).unwrap();
    let canary = canary.display();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let playlist = |address: &str| {
        format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXTINF:3.0,\n{address}\n#EXT-X-ENDLIST\n"
        )
    };
    let description = format!(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    );
    let mut hostile: Vec<Vec<u8>> = [
        playlist(&format!("file://{canary}")),
        playlist(&format!("concat:{canary}|{canary}")),
        playlist(&format!("subfile,,start,0,end,99999,,:{canary}")),
        playlist(&format!("http://127.0.0.1:{port}/x.ts")),
        format!("ffconcat version 1.0\nfile '{canary}'\n"),
        format!("ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/x.ts'\n"),
        description,
        format!("[reference]\nRef1=http://127.0.0.1:{port}/x\n"),
        format!("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period><AdaptationSet mimeType=\"audio/mp4\"><Representation id=\"1\"><BaseURL>file://{canary}</BaseURL></Representation></AdaptationSet></Period></MPD>"),
        format!("1\n00:00:00,000 --> 00:00:03,000\n{canary}\n"),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    let silence = made(
        "-f lavfi -i anullsrc=r=48000 -t 1 -c:a pcm_s16le",
        "silence.mov",
    );
    for address in [
        format!("file://{canary}"),
        format!("http://127.0.0.1:{port}/x"),
    ] {
        hostile.push(with_reference(&testing::bytes(&silence), &address));
    }
    // An unconfined ffmpeg reads them, so the files are effective.
    for (name, content) in [("list.m3u8", &hostile[0]), ("list.ffconcat", &hostile[4])] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let input = format!("-safe 0 -i {}", path.display());
        let input = input.trim_start_matches(match name {
            "list.m3u8" => "-safe 0 ",
            _ => "",
        });
        let output = made(&format!("{input} -c:a pcm_s16le"), "output.wav");
        assert!(
            testing::decoded(&output)
                .iter()
                .any(|sample| sample.abs() > 0.05)
        );
    }
    for content in hostile {
        let text = String::from_utf8_lossy(&content[..content.len().min(60)]).into_owned();
        if let Ok(found) = transcode(&testing::file(&content)) {
            let loudest = found
                .samples
                .iter()
                .fold(0.0_f32, |max, sample| max.max(sample.abs()));
            assert!(loudest < 0.01, "{text}");
        }
        let connection = listener.accept().map_err(|error| error.kind());
        assert_eq!(connection.err(), Some(io::ErrorKind::WouldBlock), "{text}");
    }
}

/// The mov file with its samples declared to be at `address`.
fn with_reference(content: &[u8], address: &str) -> Vec<u8> {
    let find = |kind: &[u8]| content.windows(4).position(|part| part == kind).unwrap();
    let reference = find(b"dref") + 12;
    let mut content = content.to_vec();
    let old_bytes = u32::from_be_bytes(content[reference - 4..reference].try_into().unwrap());
    let mut new = [b"url \0\0\0\0", address.as_bytes(), b"\0"].concat();
    let size = new.len() as u32 + 4;
    new.splice(..0, size.to_be_bytes());
    content.splice(reference - 4..reference - 4 + old_bytes as usize, new);
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"] {
        // QuickTime has a data handler with a `dhlr` of its own before them.
        let at = content.windows(4).position(|part| part == kind).unwrap() - 4;
        let old = u32::from_be_bytes(content[at..at + 4].try_into().unwrap());
        content[at..at + 4].copy_from_slice(&(old + size - old_bytes).to_be_bytes());
    }
    content
}

// ---- fake programs ----

/// A folder with a bash script of these lines.
fn fake_program(lines: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    let mut file = File::create(&path).unwrap();
    writeln!(file, "#!/bin/bash\n{lines}").unwrap();
    file.set_permissions(Permissions::from_mode(0o755)).unwrap();
    (folder, path)
}

fn start_fake(path: &Path, cpu_s: u64) -> Result<Transcoder, MediaError> {
    let mut confinement = Confinement::new(path, cpu_s);
    confinement.allow(Path::new("/usr/bin"));
    let file = testing::file(b"#!AMR\n");
    Transcoder::start_confined(path, &source(&file), OPTIONS, &confinement)
}

#[test]
fn failures_are_described() {
    for (lines, expected) in [
        ("exit 3", "it ended with status 3"),
        (
            "echo '[error] no such luck' >&2; exit 1",
            "cannot decode the file: no such luck;",
        ),
        ("", "it contains no audio"),
        ("echo RIFFxxxxWAVE", "unexpected output"),
        (
            "while :; do echo '[error] again and again and again' >&2; done",
            "it was killed by SIGXCPU",
        ),
        (
            "while :; do echo -n xxxxxxxxxxxxxxxxxxxx >&2; done",
            "it was killed by SIGXCPU",
        ),
    ] {
        let (_folder, path) = fake_program(lines);
        let error = run(start_fake(&path, 1).unwrap()).err().unwrap();
        assert!(
            error.to_string().contains(expected),
            "{error}, not {expected}"
        );
    }
    let (_folder, path) = fake_program("echo 'libx.so: cannot open' >&2; exit 127");
    let error = run(start_fake(&path, 1).unwrap()).err().unwrap();
    assert!(matches!(&error, MediaError::FfmpegStart(_)), "{error}");
}

#[test]
fn start_failures_are_system_errors() {
    let (folder, path) = fake_program("");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    for (path, expected) in [
        (folder.path().join("absent"), io::ErrorKind::NotFound),
        (path, io::ErrorKind::PermissionDenied),
    ] {
        let error = start_fake(&path, 1).err().unwrap();
        assert!(
            matches!(&error, MediaError::FfmpegStart(error) if error.kind() == expected),
            "{error}"
        );
    }
}

#[test]
fn a_program_that_hangs_is_killed() {
    let (_folder, path) = fake_program("exec sleep 1000");
    let mut transcoder = start_fake(&path, 10).unwrap();
    transcoder.hang_limit = Duration::from_secs(1);
    let pid = transcoder.process.pid();
    let error = run(transcoder).err().unwrap();
    assert!(
        error.to_string().contains("it made no progress for 1 s"),
        "{error}"
    );
    assert!(kill(pid, None).is_err());
}

#[test]
fn a_killed_program_is_reported() {
    let file = made(&format!("{TONE}=900 -c:a ac3"), "long.ac3");
    let mut transcoder = Transcoder::start(&real(), &source(&file), OPTIONS).unwrap();
    let mut samples = Vec::new();
    while samples.is_empty() {
        transcoder.step(&mut samples);
    }
    kill(transcoder.process.pid(), Signal::SIGKILL).unwrap();
    let found = run(transcoder).unwrap();
    let early = found.trouble.stopped_early.unwrap();
    assert!(early.contains("it was killed by SIGKILL"), "{early}");
}

#[test]
fn dropping_it_reaps_the_process() {
    let file = made(&format!("{TONE}=900 -c:a ac3"), "long.ac3");
    let mut transcoder = Transcoder::start(&real(), &source(&file), OPTIONS).unwrap();
    let mut samples = Vec::new();
    while samples.is_empty() {
        transcoder.step(&mut samples);
    }
    let pid = transcoder.process.pid();
    assert!(kill(pid, None).is_ok());
    drop(transcoder);
    // Not even a zombie.
    assert!(kill(pid, None).is_err());
}

#[test]
fn it_dies_with_the_thread_that_started_it() {
    let (_folder, path) = fake_program("exec sleep 1000");
    let started = thread::spawn(move || start_fake(&path, 10).unwrap());
    let mut transcoder = started.join().unwrap();
    let status = transcoder.process.wait();
    assert_eq!(
        describe(status.unwrap()).unwrap(),
        "it was killed by SIGKILL"
    );
}

/// Each line of the script succeeds if it is not confined.
#[test]
fn other_access_is_refused_by_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "x\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let attempts = [
        ("read", format!("read x <{}", secret.display())),
        (
            "list",
            format!(
                "files=({0}/*); [[ ${{files[0]}} = {0}/secret ]]",
                folder.path().display()
            ),
        ),
        ("write", format!("echo >>{}", secret.display())),
        ("create", format!(": >{}/new", folder.path().display())),
        ("connect", format!(": <>/dev/tcp/127.0.0.1/{port}")),
        ("signal", "kill -0 $PPID".to_owned()),
        ("fork", "(:)".to_owned()),
        ("limits", "[[ $(ulimit -f) != 0 ]]".to_owned()),
        ("descriptors", "[[ -n ${CANARY+x} ]]".to_owned()),
    ];
    let lines: Vec<String> = attempts
        .iter()
        .map(|(name, attempt)| {
            format!("if {{ {attempt}; }} 2>/dev/null; then reached+=' {name}'; fi")
        })
        .collect();
    let lines = format!(
        "{}\necho \"[error] reached:$reached\" >&2; exit 1",
        lines.join("\n")
    );
    let (_folder, path) = fake_program(&lines);
    let open = Command::new(&path).env("CANARY", "").output().unwrap();
    let all: Vec<_> = attempts.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        String::from_utf8_lossy(&open.stderr).trim(),
        format!("[error] reached: {}", all.join(" "))
    );
    let error = run(start_fake(&path, 10).unwrap()).err().unwrap();
    let MediaError::Ffmpeg(text) = &error else {
        panic!("{error}");
    };
    assert_eq!(text, "reached:");
}
