//! PCM formats of mp4 and CAF.

use symphonia::core::codecs::audio::{AudioCodecId, well_known::*};

/// A PCM format.
#[derive(Debug, Clone, Copy)]
pub struct Pcm {
    /// Bytes of one sample of one channel.
    pub bytes: u32,
    /// Floating point.
    pub is_float: bool,
    /// Zero is the middle of the range, as in 8-bit wav.
    pub is_unsigned: bool,
    /// Most significant byte first.
    pub is_big_endian: bool,
}

impl Pcm {
    /// The codec id and its display name; `None` if there is no decoder.
    pub fn codec(self) -> Option<(AudioCodecId, &'static str)> {
        let kind = (self.is_float, self.is_unsigned, self.is_big_endian);
        Some(match (self.bytes, kind) {
            (1, (false, true, _)) => (CODEC_ID_PCM_U8, "pcm_u8"),
            (1, (false, false, _)) => (CODEC_ID_PCM_S8, "pcm_s8"),
            (2, (false, true, true)) => (CODEC_ID_PCM_U16BE, "pcm_u16be"),
            (2, (false, true, false)) => (CODEC_ID_PCM_U16LE, "pcm_u16le"),
            (2, (false, false, true)) => (CODEC_ID_PCM_S16BE, "pcm_s16be"),
            (2, (false, false, false)) => (CODEC_ID_PCM_S16LE, "pcm_s16le"),
            (3, (false, true, true)) => (CODEC_ID_PCM_U24BE, "pcm_u24be"),
            (3, (false, true, false)) => (CODEC_ID_PCM_U24LE, "pcm_u24le"),
            (3, (false, false, true)) => (CODEC_ID_PCM_S24BE, "pcm_s24be"),
            (3, (false, false, false)) => (CODEC_ID_PCM_S24LE, "pcm_s24le"),
            (4, (false, true, true)) => (CODEC_ID_PCM_U32BE, "pcm_u32be"),
            (4, (false, true, false)) => (CODEC_ID_PCM_U32LE, "pcm_u32le"),
            (4, (false, false, true)) => (CODEC_ID_PCM_S32BE, "pcm_s32be"),
            (4, (false, false, false)) => (CODEC_ID_PCM_S32LE, "pcm_s32le"),
            (4, (true, _, true)) => (CODEC_ID_PCM_F32BE, "pcm_f32be"),
            (4, (true, _, false)) => (CODEC_ID_PCM_F32LE, "pcm_f32le"),
            (8, (true, _, true)) => (CODEC_ID_PCM_F64BE, "pcm_f64be"),
            (8, (true, _, false)) => (CODEC_ID_PCM_F64LE, "pcm_f64le"),
            _ => return None,
        })
    }
}
