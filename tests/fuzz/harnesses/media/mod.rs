//! Recordings: any bytes, decoded to the end. A part of the engine's media
//! module, compiled for fuzzing and for unit tests alone.

mod decoding;
#[cfg(test)]
#[path = "../replay.rs"]
mod replay;

use decoding::{decode, source};

use super::Recording;
pub use super::ffmpeg::fuzzing::{media_messages, media_output, media_reorder};
use super::kind::Kind;

/// A file is what its content says.
pub fn media(input: &[u8]) {
    decode(input, |limits| Recording::open(source(input), None, limits));
}

macro_rules! readers {
    ($($name:ident $kind:expr, $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub fn $name(input: &[u8]) {
                decode(input, |limits| Recording::of_kind(source(input), &$kind, limits));
            }
        )*
    };
}

readers! {
    media_adts Kind::Adts, "AAC without a container.";
    media_caf Kind::Caf, "Core Audio Format.";
    media_flac Kind::Flac, "FLAC.";
    media_matroska Kind::Matroska, "Matroska and WebM.";
    media_mp4 Kind::Mp4, "mp4 and its family.";
    media_mpeg Kind::Mpeg, "mp3 and its elders.";
    media_ogg Kind::Ogg, "Ogg.";
    media_pcm Kind::Pcm, "wav, AIFF, AU and SPHERE.";
}

#[cfg(test)]
mod tests {
    super::replay::targets! {
        "media", true;
        media media_adts media_caf media_flac media_matroska media_messages media_mp4
        media_mpeg media_ogg media_output media_pcm media_reorder
    }
}
