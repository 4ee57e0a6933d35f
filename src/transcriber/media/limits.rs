//! Limits of what a file may ask for: checked before memory is allocated for it,
//! so that a few hundred bytes cannot describe gigabytes. Limits that only one
//! format has are beside its reader.
//!
//! The whole of it is bounded once more, for what these checks do not foresee:
//! all decoding of a recording happens in a process of its own, whose memory is
//! limited to [`DECODER_BYTES`], and that of the ffmpeg it may start to
//! [`FFMPEG_BYTES`].

/// Memory of the process that decodes: its heap, stacks of further threads, and
/// what libraries write to. A day of audio in mp4 has tables of 32 MiB, and two
/// readers have them while the first track is examined for silence. With ffmpeg
/// and the libraries of both it is less than 256 MiB.
pub const DECODER_BYTES: u64 = 80 * 1024 * 1024;

/// Memory of ffmpeg, counted likewise: Debian's uses 36 MiB of it for its two
/// hundred libraries alone, and 32 MiB of input are probed.
pub const FFMPEG_BYTES: u64 = 104 * 1024 * 1024;

/// Further audio tracks are ignored.
pub const TRACKS_MAX: usize = 64;

/// Streams with more channels are refused.
pub const CHANNELS_MAX: u16 = 32;

/// Larger packets are damaged.
pub const PACKET_MAX_BYTES: usize = 4 * 1024 * 1024;

/// No codec has more frames in a packet: FLAC's blocks are the longest. ADPCM
/// decoders allocate what a header claims.
pub const PACKET_FRAMES_MAX: u32 = 65_536;

/// All sample tables of one track, or the packet table: a day of audio takes
/// about 32 MiB.
pub const TABLES_MAX_BYTES: u64 = 40 * 1024 * 1024;

/// Codec configurations are a few hundred bytes; the headers of Vorbis, with
/// comments, are the longest.
pub const EXTRA_DATA_MAX_BYTES: usize = 1024 * 1024;

/// Rates of real recordings; others are damaged headers. The resampler allocates
/// by the rate.
pub const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
