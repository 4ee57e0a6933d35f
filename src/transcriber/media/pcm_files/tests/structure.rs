//! Headers, chunks and the extent of the data.

use super::*;

#[test]
fn incomplete_headers_yield_all_data() {
    let whole = spoken();
    let data = whole.windows(4).position(|id| id == b"data").unwrap();
    let samples = (whole.len() - data - 8) / 2;
    for (riff_size, data_size, cut_short) in [
        (0_u32, 0_u32, false),
        (36, 0, false),
        (u32::MAX, u32::MAX, false),
        (u32::MAX, 0, false),
        (0x7fff_ffff, 0x7fff_ffff, false),
        (0x8000_0000, 0x7fff_ffff - 36, false),
        (0x7fff_f024, 0x7fff_f000, false),
        (u32::MAX, u32::MAX - 36, false),
        // RIFF wrong, data right
        (whole.len() as u32 - 16, samples as u32 * 2, false),
        (8, samples as u32 * 2, false),
        // includes its own header
        (whole.len() as u32, whole.len() as u32, false),
        // more than exists
        (
            whole.len() as u32 + 100_000,
            samples as u32 * 2 + 100_000,
            true,
        ),
    ] {
        let mut content = whole.clone();
        content[4..8].copy_from_slice(&riff_size.to_le_bytes());
        content[data + 4..data + 8].copy_from_slice(&data_size.to_le_bytes());
        let name = format!("RIFF {riff_size:#x}, data {data_size:#x}");
        let (file, output) = both_ways(&content);
        assert_eq!(output.samples.len(), samples, "{name}");
        assert_eq!(file.is_cut_short(), cut_short, "{name}");
        let duration_s = file.tracks()[0].duration_s.unwrap();
        assert!((duration_s - output.duration_s()).abs() < 0.001, "{name}");
    }
}

#[test]
fn a_piped_header_of_ffmpeg_is_read_from_the_pipe() {
    let whole = spoken();
    let mut ffmpeg = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "wav", "-i", "-", "-c:a", "pcm_f32le"])
        .args(["-f", "wav", "-"])
        .stdin(std::process::Stdio::from(testing::file(&whole)))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = PcmFile::from_stream(ffmpeg.stdout.take().unwrap()).unwrap();
    assert_eq!(stream.tracks()[0].codec, "pcm_f32le");
    assert_eq!(stream.tracks()[0].duration_s, None);
    let output = decode(&mut stream);
    ffmpeg.wait().unwrap();
    assert!(!stream.is_cut_short());
    assert_eq!(output.samples, decode(&mut open(&whole)).samples);
}

#[test]
fn chunks_around_the_data_are_skipped() {
    let sound: Vec<u8> = (1..=200).collect();
    let fields = format(1, 1, 8000, 16_000, 2, 16);
    let length_of = |content: &[u8]| {
        let (file, output) = both_ways(content);
        assert!(!file.is_cut_short());
        output.samples.len()
    };
    type Chunks<'a> = Vec<(&'a [u8; 4], &'a [u8])>;
    let cases: [(&str, Chunks, usize); 6] = [
        (
            "JUNK, bext before",
            vec![
                (b"JUNK", &[0; 28]),
                (b"bext", &[7; 603]),
                (b"fmt ", &fields),
                (b"data", &sound),
            ],
            100,
        ),
        (
            "LIST after",
            vec![
                (b"fmt ", &fields),
                (b"data", &sound),
                (b"LIST", b"INFOICMT"),
            ],
            100,
        ),
        (
            "data in two chunks",
            vec![
                (b"fmt ", &fields),
                (b"data", &sound),
                (b"LIST", &[1; 5]),
                (b"data", &sound),
            ],
            200,
        ),
        (
            "empty, LIST after",
            vec![(b"fmt ", &fields), (b"data", &[]), (b"LIST", b"INFOICMT")],
            0,
        ),
        ("empty", vec![(b"fmt ", &fields), (b"data", &[])], 0),
        (
            "an odd byte at the end",
            vec![(b"fmt ", &fields), (b"data", &sound[..199])],
            99,
        ),
    ];
    for (name, chunks, expected) in cases {
        assert_eq!(length_of(&riff(&chunks)), expected, "{name}");
    }
    // An odd LIST without padding, and one that exceeds the file.
    let mut content = riff(&[(b"fmt ", &fields), (b"LIST", b"INFO!"), (b"data", &sound)]);
    let place = content.windows(5).position(|end| end == b"INFO!").unwrap() + 5;
    content.remove(place);
    assert_eq!(length_of(&content), 100);
    let list = place - 5 - 4;
    content[list..list + 4].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
    assert_eq!(decode(&mut open(&content)).samples.len(), 100);
    // `fmt ` after the data: only a file allows seeking back.
    let content = riff(&[(b"data", &sound), (b"fmt ", &fields)]);
    assert_eq!(decode(&mut open(&content)).samples.len(), 100);
    assert!(PcmFile::from_stream(Cursor::new(content)).is_err());
}

#[test]
fn an_appended_file_is_left_to_the_caller() {
    for arguments in [
        &["-f", "wav"][..],
        &["-f", "aiff"],
        &["-f", "au"],
        &["-f", "w64"],
    ] {
        let one = converted(arguments);
        let mut file = open(&[one.clone(), one.clone()].concat());
        let output = decode(&mut file);
        assert_eq!(
            output.samples,
            decode(&mut open(&one)).samples,
            "{arguments:?}"
        );
        assert_eq!(file.end_bytes(), Some(one.len() as u64), "{arguments:?}");
    }
}

#[test]
fn durations_of_long_files_are_known() {
    const GIB: u64 = 1 << 30;
    let sparse = |head: &[u8], size_bytes: u64| {
        let file = testing::file(head);
        file.set_len(size_bytes).unwrap();
        PcmFile::open(Source::new(file, size_bytes)).unwrap()
    };
    let fields = format(1, 2, 48_000, 192_000, 4, 16);
    let mut rf64 = b"RF64\xff\xff\xff\xffWAVEds64".to_vec();
    rf64.extend_from_slice(&28_u32.to_le_bytes());
    for field in [0, 5 * GIB, 0] {
        rf64.extend_from_slice(&field.to_le_bytes());
    }
    rf64.extend_from_slice(&[0; 4]);
    rf64.extend_from_slice(b"fmt \x10\0\0\0");
    rf64.extend_from_slice(&fields);
    rf64.extend_from_slice(b"data\xff\xff\xff\xff");
    let seconds = |bytes: u64| Some(bytes as f64 / 192_000.0);
    let begin = rf64.len() as u64;
    let file = sparse(&rf64, begin + 6 * GIB);
    assert_eq!(file.tracks()[0].duration_s, seconds(5 * GIB));
    rf64[28..36].fill(0);
    let file = sparse(&rf64, begin + 6 * GIB);
    assert_eq!(file.tracks()[0].duration_s, seconds(6 * GIB));
    // A 32-bit size that overflowed.
    let mut wrapped = riff(&[(b"fmt ", &fields), (b"data", &[])]);
    let begin = wrapped.len();
    wrapped[begin - 4..].copy_from_slice(&(GIB as u32).to_le_bytes());
    let file = sparse(&wrapped, begin as u64 + 5 * GIB);
    assert_eq!(file.tracks()[0].duration_s, seconds(5 * GIB));
}

#[test]
fn damaged_and_truncated_files_end() {
    let read = |content: Vec<u8>| {
        if let Ok(mut file) = PcmFile::open(source(&content)) {
            decode(&mut file);
        }
        if let Ok(mut stream) = PcmFile::from_stream(Cursor::new(content)) {
            decode(&mut stream);
        }
    };
    for arguments in [
        &["-f", "wav", "-ar", "8000"][..],
        &["-f", "wav", "-ar", "8000", "-rf64", "always"],
        &["-f", "wav", "-ar", "8000", "-c:a", "adpcm_ms"],
        &["-f", "wav", "-ar", "8000", "-c:a", "adpcm_ima_wav"],
        &["-f", "w64", "-ar", "8000"],
        &["-f", "au", "-ar", "8000"],
        &["-f", "aiff", "-ar", "8000"],
        &["-f", "aiff", "-ar", "8000", "-c:a", "adpcm_ima_qt"],
    ] {
        compare::survives(&converted(arguments), read);
    }
    compare::survives(&sphere("pcm", "10"), read);
}
