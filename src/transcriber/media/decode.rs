//! Decoding: a recording as a stream of mono samples.

use std::io;

use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use super::demux::{Demuxer, Description};
use super::resample::Resampler;
use super::source::Access;
use super::{MediaError, Source};

/// Unreadable places in a row that a demuxer may step over. Each step reads on,
/// so this is a bound on patience with noise, not on the damage that is survived.
const DEMUX_ERRORS_MAX: u32 = 64;

/// With this many damaged packets for each good one, a file is no recording but
/// something else in which a decoder saw patterns.
const MOSTLY: u64 = 8;

/// A recording being decoded, [`super::SAMPLE_RATE`] samples a second.
pub struct Recording {
    source: Source,
    access: Access,
    extension: Option<String>,
    demuxer: Demuxer,
    resampler: Option<Resampler>,
    planes: Vec<Vec<f32>>,
    mono: Vec<f32>,
    decoded_packets: u64,
    damaged_packets: u64,
    decoded_samples: u64,
    last_error: Option<String>,
}

impl Recording {
    /// Recognises `source`; `extension` is only a hint.
    pub fn open(source: Source, extension: Option<&str>) -> Result<Self, MediaError> {
        if source.size_bytes() == 0 {
            return Err(MediaError::Empty);
        }
        let open = |access| Demuxer::open(source.again(access), extension);
        // A file that was cut short does not add up, but may be read as far as it goes.
        let (access, demuxer) = match open(Access::Random) {
            Err(error @ (MediaError::Damaged(_) | MediaError::Truncated)) => (
                Access::Sequential,
                open(Access::Sequential).map_err(|_| error)?,
            ),
            opened => (Access::Random, opened?),
        };
        Ok(Self {
            source,
            access,
            extension: extension.map(str::to_owned),
            demuxer,
            resampler: None,
            planes: Vec::new(),
            mono: Vec::new(),
            decoded_packets: 0,
            damaged_packets: 0,
            decoded_samples: 0,
            last_error: None,
        })
    }

    /// What the container tells.
    pub fn description(&self) -> &Description {
        &self.demuxer.description
    }

    /// Packets that could not be decoded and were left out.
    pub fn damaged_packets(&self) -> u64 {
        self.damaged_packets
    }

    /// Decodes one more packet and appends its samples to `out` (none, if it is
    /// damaged or of another track). False at the end, when the last samples
    /// have been appended; do not call again then.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, MediaError> {
        match self.next_packet()? {
            Some(packet) if packet.track_id == self.demuxer.track => self.decode(&packet, out)?,
            Some(_) => {}
            None if self.decoded_samples == 0 && self.access == Access::Random => {
                // Once more, with fewer expectations.
                self.access = Access::Sequential;
                self.demuxer =
                    Demuxer::open(self.source.again(self.access), self.extension.as_deref())
                        .map_err(|_| self.nothing())?;
            }
            None => {
                if let Some(resampler) = self.resampler.take() {
                    resampler.finish(out)?;
                }
                if self.decoded_samples == 0 || self.damaged_packets > self.decoded_packets * MOSTLY
                {
                    return Err(self.nothing());
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `None` at the end. Demuxers do not agree on how a file ends: a complete
    /// webm ends with `UnexpectedEof`, a truncated mp3 cleanly. What was decoded
    /// up to there is what there is.
    fn next_packet(&mut self) -> Result<Option<Packet>, MediaError> {
        for _ in 0..DEMUX_ERRORS_MAX {
            match self.demuxer.reader.next_packet() {
                Ok(packet) => return Ok(packet),
                Err(Error::ResetRequired) => match self.demuxer.next_link() {
                    Err(error) if self.decoded_samples == 0 => return Err(error),
                    Err(error) => {
                        self.last_error = Some(error.to_string());
                        return Ok(None);
                    }
                    Ok(()) => {}
                },
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.last_error
                        .get_or_insert_with(|| "it ends before any audio".to_owned());
                    return Ok(None);
                }
                Err(Error::IoError(error)) if error.raw_os_error().is_some() => {
                    return Err(MediaError::Read(error));
                }
                Err(error) => self.last_error = Some(error.to_string()),
            }
        }
        Ok(None)
    }

    fn decode(&mut self, packet: &Packet, out: &mut Vec<f32>) -> Result<(), MediaError> {
        let buffer = match self.demuxer.decoder.decode(packet) {
            Ok(buffer) => buffer,
            Err(error) => {
                self.damaged_packets += 1;
                self.last_error = Some(error.to_string());
                return Ok(());
            }
        };
        self.decoded_packets += 1;
        if buffer.is_empty() {
            return Ok(());
        }
        // The container's word on the rate is not always true; the decoder's is.
        let rate = buffer.spec().rate();
        buffer.copy_to_vecs_planar(&mut self.planes);
        mix_down(&self.planes, &mut self.mono);
        self.decoded_samples += self.mono.len() as u64;
        let resampler = match self.resampler.take() {
            Some(resampler) if resampler.rate() == rate => resampler,
            changed => {
                if let Some(resampler) = changed {
                    resampler.finish(out)?;
                }
                Resampler::new(rate)?
            }
        };
        self.resampler.insert(resampler).push(&self.mono, out)
    }

    fn nothing(&self) -> MediaError {
        let packets = self.decoded_packets + self.damaged_packets;
        MediaError::Nothing(match &self.last_error {
            Some(error) if packets == 0 => error.clone(),
            Some(error) => format!(
                "{} of its {packets} packets are damaged ({error})",
                self.damaged_packets
            ),
            None => "it holds no sound".to_owned(),
        })
    }
}

fn mix_down(planes: &[Vec<f32>], mono: &mut Vec<f32>) {
    mono.clear();
    let Some((first, others)) = planes.split_first() else {
        return;
    };
    mono.extend_from_slice(first);
    for plane in others {
        for (sum, sample) in mono.iter_mut().zip(plane) {
            *sum += sample;
        }
    }
    let gain = 1.0 / planes.len() as f32;
    for sample in mono {
        // Floating-point files can hold anything; one NaN would spoil a window.
        *sample = if sample.is_finite() {
            *sample * gain
        } else {
            0.0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, PHRASE};

    /// Seconds that come out, and packets left out.
    fn decode(content: &[u8]) -> Result<(f64, u64), MediaError> {
        let source = Source::new(testing::file(content), content.len() as u64);
        let mut recording = Recording::open(source, None)?;
        let mut samples = Vec::new();
        while recording.read(&mut samples)? {}
        let duration_s = samples.len() as f64 / f64::from(super::super::SAMPLE_RATE);
        Ok((duration_s, recording.damaged_packets()))
    }

    #[test]
    fn files_that_were_cut_short_are_read_as_far_as_they_go() {
        let spoken = testing::spoken(PHRASE);
        let whole_s = decode(&testing::bytes(&spoken)).unwrap().0;
        for arguments in [
            &["-f", "wav"][..],
            &["-f", "mp3"],
            &["-f", "flac"],
            &["-f", "adts"],
            &["-f", "ogg", "-c:a", "libopus", "-page_duration", "100000"],
            &["-f", "webm", "-c:a", "libopus"],
            &["-f", "matroska", "-c:a", "libvorbis"],
            &["-f", "mp4", "-movflags", "+faststart"],
            &[
                "-f",
                "mp4",
                "-movflags",
                "+frag_keyframe+empty_moov",
                "-frag_duration",
                "200000",
            ],
        ] {
            let content = testing::bytes(&testing::converted(&spoken, arguments));
            let (decoded_s, damaged) = decode(&content).unwrap();
            assert!(
                (decoded_s - whole_s).abs() < 0.2,
                "{arguments:?}: {decoded_s} s of {whole_s}"
            );
            assert_eq!(damaged, 0, "{arguments:?}");
            let (decoded_s, _) = decode(&content[..content.len() * 7 / 10]).unwrap();
            assert!(
                decoded_s > whole_s * 0.3 && decoded_s < whole_s * 0.9,
                "{arguments:?}: {decoded_s} s of {whole_s}"
            );
        }
    }

    #[test]
    fn damage_in_the_middle_costs_what_it_hits() {
        let mut content = testing::bytes(&testing::converted(
            &testing::spoken(PHRASE),
            &["-f", "adts"],
        ));
        let (whole_s, _) = decode(&content).unwrap();
        let middle = content.len() / 2;
        content[middle..middle + 400].fill(0x55);
        let (decoded_s, _) = decode(&content).unwrap();
        assert!(decoded_s > whole_s * 0.7, "{decoded_s} s of {whole_s}");
    }

    #[test]
    fn channels_are_averaged_and_nan_is_silence() {
        let mut mono = Vec::new();
        mix_down(&[vec![1.0, f32::NAN, 0.5], vec![0.0, 1.0, -0.5]], &mut mono);
        assert_eq!(mono, [0.5, 0.0, 0.0]);
        mix_down(&[], &mut mono);
        assert!(mono.is_empty());
    }
}
