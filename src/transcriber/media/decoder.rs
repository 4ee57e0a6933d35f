//! Decodes the packets of one track to mono samples.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use super::frames::MpegHeader;
use super::mix::Mixer;
use super::reader::Packet;
use super::{MediaError, codec, panics};

/// Decodes one track.
pub struct Decoder {
    parameters: AudioCodecParameters,
    codec: Box<dyn AudioDecoder>,
    /// Layer, sample rate and channels of the last packet of MPEG audio.
    mpeg_signal: Option<(u8, u32, u8)>,
    mixer: Option<(Channels, Mixer)>,
    planes: Vec<Vec<f32>>,
    /// Frames in the last packet that was decoded.
    frames: usize,
    rate: Option<u32>,
}

impl Decoder {
    /// A decoder for a track with these parameters.
    pub fn new(parameters: &AudioCodecParameters) -> Result<Self, MediaError> {
        Ok(Self {
            codec: codec::decoder(parameters)?,
            parameters: parameters.clone(),
            mpeg_signal: None,
            mixer: None,
            planes: Vec::new(),
            frames: 0,
            rate: parameters.sample_rate.filter(|rate| *rate > 0),
        })
    }

    /// Samples per second of the last output of [`Decoder::decode`].
    pub fn rate(&self) -> Option<u32> {
        self.rate
    }

    /// Estimated duration of a packet in seconds: that of the one before.
    pub fn packet_s(&self) -> f64 {
        self.rate
            .map_or(0.0, |rate| self.frames as f64 / f64::from(rate))
    }

    /// Replaces `mono` by the decoded, trimmed samples of `packet`. On error,
    /// which describes the damage, `mono` is empty.
    pub fn decode(&mut self, packet: &Packet, mono: &mut Vec<f32>) -> Result<(), String> {
        mono.clear();
        self.follow_signal(&packet.data)
            .map_err(|error| error.to_string())?;
        // Trimming is done here: symphonia's decoders differ in whether they
        // trim.
        // An ADPCM packet is one block, and its decoder needs its duration.
        let block_frames = self.parameters.frames_per_block.unwrap_or(0);
        let reference = PacketRef::new(
            0,
            Timestamp::ZERO,
            Duration::new(block_frames),
            &packet.data,
        );
        // A panic costs this packet, not the rest.
        let decoded = panics::caught(|| {
            let decoded = self.codec.decode_ref(&reference);
            decoded.map(drop).map_err(|error| error.to_string())
        });
        match decoded {
            Ok(decoded) => decoded?,
            Err(panicked) => {
                self.codec = codec::decoder(&self.parameters).map_err(|error| error.to_string())?;
                return Err(panicked.to_string());
            }
        }
        let buffer = self.codec.last_decoded();
        if buffer.is_empty() {
            return Ok(());
        }
        // The container's rate and channels may be wrong.
        let rate = buffer.spec().rate();
        let channels = buffer.spec().channels().clone();
        buffer.copy_to_vecs_planar(&mut self.planes);
        let mixer = match &mut self.mixer {
            Some((known, mixer)) if *known == channels => mixer,
            other => &mut other.insert((channels.clone(), Mixer::new(&channels))).1,
        };
        mixer.mix(&mut self.planes, rate, mono);
        self.frames = mono.len();
        self.rate = Some(rate);
        let frames = |count: u64| {
            usize::try_from(count)
                .unwrap_or(usize::MAX)
                .min(self.frames)
        };
        mono.truncate(self.frames - frames(packet.trim_end_frames));
        mono.drain(..frames(packet.trim_start_frames).min(mono.len()));
        Ok(())
    }

    /// Replaces the decoder when layer, rate or channels of MPEG audio change:
    /// symphonia's decoder handles only one combination.
    fn follow_signal(&mut self, data: &[u8]) -> Result<(), MediaError> {
        if ![CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3].contains(&self.parameters.codec) {
            return Ok(());
        }
        let signal = MpegHeader::parse(data).map(|header| header.signal());
        if let (Some(before), Some(now)) = (self.mpeg_signal, signal)
            && before != now
        {
            self.codec = codec::decoder(&self.parameters)?;
        }
        self.mpeg_signal = signal.or(self.mpeg_signal);
        Ok(())
    }
}
