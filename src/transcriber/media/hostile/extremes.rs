//! Valid heads with each of their numbers at its extremes: nothing, one, the
//! largest, and both sides of where a sign would be.

use super::{Anything, caf, check};

/// Values of a number of so many bytes, most significant first.
fn extremes(bytes: usize) -> Vec<Vec<u8>> {
    let filled = |first: u8, rest: u8, last: u8| {
        let mut value = vec![rest; bytes];
        value[0] = first;
        if bytes > 1 {
            value[bytes - 1] = last;
        }
        value
    };
    vec![
        filled(0, 0, 0),
        filled(0, 0, 1),
        filled(0x7f, 0xff, 0xff),
        filled(0x80, 0, 0),
        filled(0xff, 0xff, 0xfe),
        filled(0xff, 0xff, 0xff),
        // Large, but not absurd.
        filled(0, 0xff, 0xff),
        filled(1, 0, 0),
    ]
}

/// Every number of 1, 2, 4 and 8 bytes in the first `head_bytes` of `file`, at
/// each of its extremes in both byte orders; `step` of them at a time are left
/// out, so that a test takes seconds.
fn check_all(name: &str, file: &[u8], head: std::ops::Range<usize>, step: usize) {
    check(name, file, Anything);
    for (index, at) in head.enumerate() {
        for width in [1, 2, 4, 8] {
            if at + width > file.len() || (index + width) % step != 0 {
                continue;
            }
            for mut value in extremes(width) {
                for is_reversed in [false, true] {
                    if is_reversed {
                        value.reverse();
                    }
                    let mut changed = file.to_vec();
                    changed[at..at + width].copy_from_slice(&value);
                    check(&format!("{name}, {value:02x?} at {at}"), &changed, Anything);
                    if width == 1 {
                        break;
                    }
                }
            }
        }
    }
}

/// A seed of the fuzz targets.
fn seed(path: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    std::fs::read(folder.join(path)).unwrap()
}

/// A test for each container: its seed, the numbers of its head.
macro_rules! heads {
    ($($name:ident $path:literal $head:expr, $step:literal;)*) => {
        $(
            #[test]
            fn $name() {
                let mut file = seed($path);
                // The head is what matters.
                file.truncate(8192);
                let head = $head;
                check_all($path, &file, head.start..head.end.min(file.len()), $step);
            }
        )*
    };
}

heads! {
    wave "media_pcm/s16.wav" 0..48, 1;
    wave_adpcm "media_pcm/adpcm-ms.wav" 0..96, 2;
    wave_of_64_bits "media_pcm/rf64.wav" 0..96, 2;
    wave64 "media_pcm/s24.w64" 16..112, 2;
    aiff "media_pcm/s16.aiff" 0..64, 1;
    aiff_ima "media_pcm/ima.aifc" 0..80, 2;
    au "media_pcm/mulaw.au" 0..32, 1;
    caf_ima "media_caf/ima4.caf" 0..80, 1;
    caf_alac "media_caf/alac.caf" 0..160, 3;
    caf_aac "media_caf/aac.caf" 0..160, 3;
    flac "media_flac/tone.flac" 0..64, 1;
    mpeg "media_mpeg/tagged.mp3" 0..64, 2;
    adts "media_adts/lc.aac" 0..24, 1;
    ogg_vorbis "media_ogg/vorbis.ogg" 0..120, 3;
    ogg_opus "media_ogg/opus.ogg" 0..120, 3;
    ogg_flac "media_ogg/flac.oga" 0..120, 3;
    ogg_speex "media_ogg/speex.ogg" 0..120, 3;
    matroska "media_matroska/pcm.mka" 0..480, 11;
    matroska_vorbis "media_matroska/vorbis.webm" 0..480, 11;
    mp4_first "media_mp4/faststart.mp4" 0..720, 17;
    mp4_alac "media_mp4/alac.m4a" 0..720, 17;
    mp4_fragments "media_mp4/fragmented.mp4" 0..1400, 31;
}

/// SPHERE has numbers in words.
#[test]
fn sphere() {
    let most = u64::MAX.to_string();
    for value in ["0", "1", "-1", "32", "33", "65535", "2147483648", &most] {
        for field in [
            "sample_rate",
            "channel_count",
            "sample_n_bytes",
            "sample_count",
        ] {
            let mut head = "NIST_1A\n   1024\n".to_owned();
            for (name, usual) in [
                ("sample_rate", "8000"),
                ("channel_count", "1"),
                ("sample_n_bytes", "2"),
                ("sample_count", "1000"),
            ] {
                let value = if name == field { value } else { usual };
                head += &format!("{name} -i {value}\n");
            }
            let mut file = format!("{head}end_head\n").into_bytes();
            file.resize(1024 + 2000, b' ');
            check(&format!("{field} {value}"), &file, Anything);
        }
    }
}

/// Frames, bytes and channels that only together are too many.
#[test]
fn products_in_caf() {
    let values = [
        0,
        1,
        2,
        32,
        33,
        64,
        65_535,
        65_536,
        1 << 20,
        1 << 31,
        u32::MAX,
    ];
    for kind in [b"ima4", b"lpcm", b"ulaw", b"alac", b"aac "] {
        for bytes in values {
            for frames in values {
                for channels in [1, 2, 32] {
                    let sound = caf::data(&[0x55; 200]);
                    let words = [0, bytes, frames, channels, 16];
                    let file = caf::file(kind, 8000.0, words, std::slice::from_ref(&sound));
                    check("product", &file, Anything);
                }
            }
        }
    }
}
