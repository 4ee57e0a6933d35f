//! Which reader a file needs, judged by what is in it.

use scribed::content;

use super::frames::{self, Adts, Mpeg};
use super::pcm_files;

/// How much of the file's start is looked at: a tag with a small picture may
/// come before the first frame of an mp3 file.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Packets of a transport stream, plain or with a time code before or a
/// checksum behind each.
const TRANSPORT_PACKETS_BYTES: [(usize, usize); 3] = [(188, 0), (192, 4), (204, 0)];
const TRANSPORT_SYNC: u8 = 0x47;
const TRANSPORT_PACKETS_MIN: usize = 4;

/// A frame of GSM 06.10, which has no header but a signature of four bits.
const GSM_FRAME_BYTES: usize = 33;
const GSM_FRAMES_MIN: usize = 10;

/// Kinds of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Samples behind a head: wav of all kinds, AU, AIFF, SPHERE.
    Pcm,
    /// Apple's Core Audio Format.
    Caf,
    /// The mp4 family, QuickTime and 3GPP included.
    Mp4,
    /// Matroska and WebM.
    Matroska,
    /// Ogg.
    Ogg,
    /// FLAC by itself.
    Flac,
    /// MPEG audio frames, as in mp3 files.
    Mpeg,
    /// AAC frames.
    Adts,
    /// A recording that no reader of ours reads.
    Foreign(Foreign<'static>),
    /// Surely something else; named with its article.
    NoRecording(String),
    /// Nothing that is known.
    Unknown,
}

/// A recording for the second decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign<'a> {
    /// For people.
    pub name: &'a str,
    /// ffmpeg's demuxer, where the content alone would not tell it.
    pub demuxer: Option<&'static str>,
}

impl Kind {
    /// Judges by the first [`HEAD_BYTES`] of a file, or all of it.
    pub fn of(head: &[u8]) -> Self {
        let at = |offset: usize, magic: &[u8]| {
            head.get(offset..)
                .is_some_and(|rest| rest.starts_with(magic))
        };
        if pcm_files::recognises(head) {
            return Self::Pcm;
        }
        for (offset, magic, kind) in [
            (0, &b"caff"[..], Self::Caf),
            (0, b"\x1a\x45\xdf\xa3", Self::Matroska),
            (0, b"OggS", Self::Ogg),
            (0, b"fLaC", Self::Flac),
        ] {
            if at(offset, magic) {
                return kind;
            }
        }
        if is_mp4(head) {
            return Self::Mp4;
        }
        if let Some(foreign) = foreign(head) {
            return Self::Foreign(foreign);
        }
        if let Some(name) =
            content::non_recording_type(&head[..head.len().min(content::LOOK_BYTES)])
        {
            return Self::NoRecording(name);
        }
        if flac_behind_tag(head) {
            return Self::Flac;
        }
        if frames::recognise::<Adts>(head) {
            return Self::Adts;
        }
        if frames::recognise::<Mpeg>(head) {
            return Self::Mpeg;
        }
        if is_gsm(head) {
            return Self::Foreign(Foreign {
                name: "GSM 06.10",
                demuxer: Some("gsm"),
            });
        }
        Self::Unknown
    }

    /// What a file whose content says nothing is by its extension.
    pub fn named(extension: Option<&str>) -> Self {
        let bare = BARE.iter().find(|(known, ..)| Some(*known) == extension);
        bare.map_or(Self::Unknown, |(_, name, demuxer)| {
            Self::Foreign(Foreign {
                name,
                demuxer: Some(demuxer),
            })
        })
    }
}

/// Streams of telephone systems that nothing in them gives away, by their
/// extension: name and ffmpeg's demuxer.
const BARE: [(&str, &str, &str); 8] = [
    ("ulaw", "bare mu-law", "mulaw"),
    ("ul", "bare mu-law", "mulaw"),
    ("mulaw", "bare mu-law", "mulaw"),
    ("alaw", "bare a-law", "alaw"),
    ("al", "bare a-law", "alaw"),
    ("g722", "bare G.722", "g722"),
    ("sln", "bare samples of Asterisk", "sln"),
    ("g729", "bare G.729", "g729"),
];

/// The boxes that begin files of this family.
fn is_mp4(head: &[u8]) -> bool {
    const FIRST: [&[u8]; 9] = [
        b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"sidx", b"wide", b"pnot", b"uuid",
    ];
    let Some(kind) = head.get(4..8) else {
        return false;
    };
    // "free" and "skip" begin files of others, too: a box that is known follows.
    if kind == b"free" || kind == b"skip" {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let next = head.get(length.saturating_add(4)..length.saturating_add(8));
        return next.is_some_and(|next| FIRST.contains(&next));
    }
    FIRST.contains(&kind)
}

fn foreign(head: &[u8]) -> Option<Foreign<'static>> {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    const MAGIC: [(&[u8], &str); 28] = [
        (b"#!AMR-WB", "AMR-WB"),
        (b"#!AMR", "AMR"),
        (
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
            "Windows Media (WMA, WMV, ASF)",
        ),
        (b".RMF", "RealMedia"),
        (b".ra\xfd", "RealAudio"),
        (b"wvpk", "WavPack"),
        (b"TTA1", "TTA (True Audio)"),
        (b"TTA2", "TTA (True Audio)"),
        (b"MAC ", "Monkey's Audio"),
        (b"MPCK", "Musepack"),
        (b"MP+", "Musepack"),
        (b"DSD ", "DSF (DSD)"),
        (b"FRM8", "DSDIFF (DSD)"),
        (b"ajkg", "Shorten"),
        (b"OFR ", "OptimFROG"),
        (b"Creative Voice File", "Creative Voice"),
        (b"FLV\x01", "Flash video"),
        (b"\x00\x00\x01\xba", "an MPEG program stream"),
        (b"\x00\x00\x01\xb3", "MPEG video"),
        (b"\x7f\xfe\x80\x01", "DTS"),
        (b"\xfe\x7f\x01\x80", "DTS"),
        (b"\x1f\xff\xe8\x00", "DTS"),
        (b"\xff\x1f\x00\xe8", "DTS"),
        (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "MXF"),
        (b"FWS", "Flash"),
        (b"2TST", "Atari sound"),
        (b"VQLC", "QCP"),
        (b"\x02\x64\x73\x73", "DSS (dictation)"),
    ];
    let named = |name| {
        Some(Foreign {
            name,
            demuxer: None,
        })
    };
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| at(0, magic)) {
        return named(name);
    }
    if at(0, b"RIFF") && (at(8, b"AVI ") || at(8, b"AVIX")) {
        return named("AVI");
    }
    if at(0, b"RIFF") && at(8, b"QLCM") {
        return named("QCP");
    }
    if at(0, b"FORM") && (at(8, b"8SVX") || at(8, b"16SV")) {
        return named("8SVX");
    }
    if let [0x0b, 0x77, _, _, _, bsid, ..] = head {
        return match bsid >> 3 {
            0..=10 => named("AC-3 (Dolby Digital)"),
            11..=16 => named("E-AC-3 (Dolby Digital Plus)"),
            _ => None,
        };
    }
    // LOAS: a sync word of 11 bits, then the length.
    if let [0x56, second, third, ..] = head
        && second & 0xe0 == 0xe0
        && at(
            (usize::from(second & 0x1f) << 8 | usize::from(*third)) + 3,
            &[0x56],
        )
    {
        return named("AAC in LATM");
    }
    if is_transport_stream(head) {
        return named("an MPEG transport stream");
    }
    None
}

fn is_transport_stream(head: &[u8]) -> bool {
    TRANSPORT_PACKETS_BYTES
        .iter()
        .any(|(packet_bytes, offset)| {
            // Recorders cut anywhere.
            (0..*packet_bytes).any(|start| {
                let mut syncs = head.iter().skip(start + offset).step_by(*packet_bytes);
                syncs.len() >= TRANSPORT_PACKETS_MIN && syncs.all(|byte| *byte == TRANSPORT_SYNC)
            })
        })
}

/// FLAC may follow tags, though it should not.
fn flac_behind_tag(mut head: &[u8]) -> bool {
    while let Some(tag_bytes) = frames::tag_bytes(head) {
        let behind = usize::try_from(tag_bytes)
            .ok()
            .and_then(|tag| head.get(tag..));
        let Some(rest) = behind else {
            return false;
        };
        head = rest;
    }
    head.starts_with(b"fLaC")
}

fn is_gsm(head: &[u8]) -> bool {
    let frames = head.chunks_exact(GSM_FRAME_BYTES);
    frames.len() >= GSM_FRAMES_MIN && frames.into_iter().all(|frame| frame[0] >> 4 == 0xd)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAVE64: &[u8] = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00\
        \0\0\0\0\0\0\0\0wave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";

    #[test]
    fn files_are_judged_by_their_content() {
        let foreign = |name| {
            Kind::Foreign(Foreign {
                name,
                demuxer: None,
            })
        };
        let mut transport = vec![0; 6 * 188 + 50];
        for packet in 0..6 {
            transport[packet * 188 + 50] = TRANSPORT_SYNC;
        }
        let mp3: Vec<u8> = [[0xff, 0xfb, 0x90, 0x00].to_vec(), vec![0; 413]]
            .concat()
            .repeat(4);
        let gsm = [&[0xd3][..], &[0x5a; 32]].concat().repeat(12);
        let cases: [(&[u8], Kind); 24] = [
            (b"RIFF\0\0\0\0WAVEfmt ", Kind::Pcm),
            (b"RF64\xff\xff\xff\xffWAVEds64", Kind::Pcm),
            (WAVE64, Kind::Pcm),
            (b"RIFF\0\0\0\0AVI LIST", foreign("AVI")),
            (b".snd\0\0\0\x18", Kind::Pcm),
            (b"FORM\0\0\0\0AIFCFVER", Kind::Pcm),
            (b"caff\0\x01\0\0desc", Kind::Caf),
            (b"\0\0\0\x18ftypM4A ", Kind::Mp4),
            (b"\0\0\0\x08wide\0\0\0\0mdat", Kind::Mp4),
            (b"\0\0\0\x08free\0\0\0\x08moov", Kind::Mp4),
            (b"\0\0\0\x08free\0\0\0\x08????", Kind::Unknown),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86", Kind::Matroska),
            (b"OggS\0\x02", Kind::Ogg),
            (b"fLaC\0\0\0\x22", Kind::Flac),
            (b"ID3\x04\0\0\0\0\0\x02..fLaC\0\0\0\x22", Kind::Flac),
            (&mp3, Kind::Mpeg),
            (b"#!AMR\n\x3c", foreign("AMR")),
            (b"#!AMR-WB\n\x3c", foreign("AMR-WB")),
            (
                b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
                foreign("Windows Media (WMA, WMV, ASF)"),
            ),
            (b"\x0b\x77\x00\x00\x00\x40", foreign("AC-3 (Dolby Digital)")),
            (
                b"\x0b\x77\x00\x00\x00\x80",
                foreign("E-AC-3 (Dolby Digital Plus)"),
            ),
            (&transport, foreign("an MPEG transport stream")),
            (
                &gsm,
                Kind::Foreign(Foreign {
                    name: "GSM 06.10",
                    demuxer: Some("gsm"),
                }),
            ),
            (b"\x01\x02\x03\x04", Kind::Unknown),
        ];
        for (head, expected) in cases {
            assert_eq!(Kind::of(head), expected, "{head:02x?}");
        }
        for head in [
            &b"Dear Sir or Madam,\n"[..],
            b"%PDF-1.7\n",
            b"#EXTM3U\nfile:///etc/passwd\n",
        ] {
            assert!(matches!(Kind::of(head), Kind::NoRecording(_)), "{head:?}");
        }
        assert_eq!(Kind::of(&[0; 5000]), Kind::Unknown);
    }
}
