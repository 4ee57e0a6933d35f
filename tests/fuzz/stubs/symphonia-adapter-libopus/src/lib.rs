//! Stands in for libopus, which is C: packets of Opus are faint noise as long as they
//! say.

use symphonia_core::audio::{
    AsGenericAudioBufferRef, Audio, AudioBuffer, AudioMut, AudioSpec, GenericAudioBufferRef,
    layouts,
};
use symphonia_core::codecs::CodecInfo;
use symphonia_core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia_core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult,
};
use symphonia_core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia_core::errors::{Result, decode_error, unsupported_error};
use symphonia_core::packet::PacketRef;
use symphonia_core::support_audio_codec;

/// Of the longest packet, 120 ms.
const FRAMES_MAX: usize = 5760;

/// The decoder.
pub struct OpusDecoder {
    parameters: AudioCodecParameters,
    decoded: AudioBuffer<f32>,
}

/// Frames at 48 kHz (RFC 6716, 3.1).
fn frames(packet: &[u8]) -> Option<usize> {
    let toc = packet.first()?;
    let frame = match toc >> 3 {
        config @ 0..12 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..16 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(packet.get(1)? & 63),
    };
    Some(frame * count).filter(|frames| (1..=FRAMES_MAX).contains(frames))
}

impl AudioDecoder for OpusDecoder {
    fn codec_info(&self) -> &CodecInfo {
        &Self::supported_codecs()[0].info
    }

    fn reset(&mut self) {}

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        let Some(frames) = frames(packet.data) else {
            return decode_error("opus: a bad packet");
        };
        self.decoded.clear();
        self.decoded.render_uninit(Some(frames));
        let noise = f32::from(packet.data[packet.data.len() - 1]) / 1024.0;
        for plane in 0..self.decoded.num_planes() {
            if let Some(samples) = self.decoded.plane_mut(plane) {
                samples.fill(noise);
            }
        }
        Ok(self.decoded.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.decoded.as_generic_audio_buffer_ref()
    }
}

impl RegisterableAudioDecoder for OpusDecoder {
    fn try_registry_new(
        parameters: &AudioCodecParameters,
        _: &AudioDecoderOptions,
    ) -> Result<Box<dyn AudioDecoder>> {
        let channels = match parameters
            .channels
            .as_ref()
            .map(|channels| channels.count())
        {
            Some(1) => layouts::CHANNEL_LAYOUT_MONO,
            Some(2) => layouts::CHANNEL_LAYOUT_STEREO,
            _ => return unsupported_error("opus: unsupported number of channels"),
        };
        let Some(rate) = parameters.sample_rate else {
            return unsupported_error("opus: sample rate required");
        };
        Ok(Box::new(Self {
            parameters: parameters.clone(),
            decoded: AudioBuffer::new(AudioSpec::new(rate, channels), FRAMES_MAX),
        }))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        &[support_audio_codec!(CODEC_ID_OPUS, "opus", "Opus")]
    }
}
