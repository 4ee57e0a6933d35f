//! The supported codecs and their names.

use std::sync::OnceLock;

use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known,
};
use symphonia::core::codecs::registry::CodecRegistry;

use super::limits::{CHANNELS_MAX, EXTRA_DATA_MAX_BYTES, PACKET_FRAMES_MAX};
use super::ogg::vorbis_setup;
use super::{MediaError, aac};

fn registry() -> &'static CodecRegistry {
    static REGISTRY: OnceLock<CodecRegistry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut registry = CodecRegistry::new();
        symphonia::default::register_enabled_codecs(&mut registry);
        registry.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
        registry
    })
}

/// Byte range of the pre-skip in an OpusHead (RFC 7845, 5.1).
const OPUS_PRE_SKIP: std::ops::Range<usize> = 10..12;
/// Refuses parameters for which a decoder would allocate more than any recording
/// needs.
fn check(parameters: &AudioCodecParameters) -> Result<(), MediaError> {
    let channels = parameters
        .channels
        .as_ref()
        .map_or(0, |channels| channels.count());
    if channels > usize::from(CHANNELS_MAX) {
        return Err(MediaError::Excessive(format!(
            "it claims {channels} channels"
        )));
    }
    let claimed_frames = parameters
        .frames_per_block
        .max(parameters.max_frames_per_packet);
    if claimed_frames.is_some_and(|frames| frames > u64::from(PACKET_FRAMES_MAX)) {
        return Err(MediaError::Excessive(format!(
            "it claims {} frames in a packet",
            claimed_frames.unwrap_or_default()
        )));
    }
    if let Some(data) = &parameters.extra_data
        && data.len() > EXTRA_DATA_MAX_BYTES
    {
        return Err(MediaError::Excessive(format!(
            "the configuration of its codec takes {} bytes",
            data.len()
        )));
    }
    if parameters.codec == well_known::CODEC_ID_ALAC
        && let Some(frames) = parameters
            .extra_data
            .as_deref()
            .and_then(|data| data.first_chunk())
        && u32::from_be_bytes(*frames) > PACKET_FRAMES_MAX
    {
        return Err(MediaError::Excessive(
            "its ALAC frames are too long".to_owned(),
        ));
    }
    // symphonia decodes more Vorbis channels in the wrong order.
    if parameters.codec == well_known::CODEC_ID_VORBIS && channels > 2 {
        return Err(MediaError::Codec {
            codec: format!("{} with {channels} channels", name(parameters.codec)),
            reason: "unsupported number of channels".to_owned(),
        });
    }
    if parameters.codec == well_known::CODEC_ID_VORBIS
        && let Some(headers) = &parameters.extra_data
    {
        vorbis_setup::check_extra_data(headers).map_err(MediaError::from)?;
    }
    Ok(())
}

/// A decoder for a track with these parameters.
pub fn decoder(parameters: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, MediaError> {
    let mut parameters = parameters.clone();
    if let Some(data) = &mut parameters.extra_data {
        match parameters.codec {
            well_known::CODEC_ID_AAC => {
                if let Some(core) = aac::core_config(data) {
                    *data = core;
                }
            }
            // The pre-skip is trimmed by [`super::decoder`].
            well_known::CODEC_ID_OPUS => {
                if let Some(skip) = data.get_mut(OPUS_PRE_SKIP) {
                    skip.fill(0);
                }
            }
            _ => {}
        }
    }
    check(&parameters)?;
    registry()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|error| MediaError::Codec {
            codec: match parameters
                .channels
                .as_ref()
                .map_or(0, |channels| channels.count())
            {
                channels @ 3.. => format!("{} with {channels} channels", name(parameters.codec)),
                _ => name(parameters.codec),
            },
            reason: error.to_string(),
        })
}

/// The common name of a codec.
pub fn name(codec: AudioCodecId) -> String {
    use well_known::*;
    if let Some(registered) = registry().get_audio_decoder(codec) {
        return registered.codec.info.short_name.to_owned();
    }
    let name = match codec {
        CODEC_ID_AC3 => "AC-3 (Dolby Digital)",
        CODEC_ID_EAC3 => "E-AC-3 (Dolby Digital Plus)",
        CODEC_ID_AC4 => "AC-4 (Dolby)",
        CODEC_ID_DCA => "DTS",
        CODEC_ID_TRUEHD => "TrueHD (Dolby)",
        CODEC_ID_WMA => "Windows Media Audio",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_MUSEPACK => "Musepack",
        CODEC_ID_WAVPACK => "WavPack",
        CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        CODEC_ID_TTA => "True Audio",
        CODEC_ID_ADPCM_G722 => "G.722",
        CODEC_ID_ADPCM_G726 | CODEC_ID_ADPCM_G726LE => "G.726",
        _ => return format!("an unknown codec ({codec})"),
    };
    name.to_owned()
}
