//! The information frame that many encoders put first in an mp3 file: "Xing" or
//! "Info" with LAME's extension, "VBRI" of Fraunhofer's encoders.

use super::mpeg::{HEADER_BYTES, Header};

/// Decoder delay of layer III.
const DECODER_DELAY_FRAMES: u32 = 529;
/// Xing's flags: which fields are present.
const HAS_FRAMES: u32 = 1;
const HAS_BYTES: u32 = 2;
const HAS_TABLE: u32 = 4;
const HAS_QUALITY: u32 = 8;
const TABLE_BYTES: usize = 100;
/// "VBRI" comes after 32 bytes, the longest side information.
const VBRI_OFFSET_BYTES: usize = HEADER_BYTES + 32;

/// The content of the frame. Streaming and appending leave it wrong, so lengths
/// are used only if they agree with the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InfoTag {
    /// Frames that follow.
    pub frames: Option<u32>,
    /// Bytes of the file, from this frame on.
    pub bytes: Option<u32>,
    /// Encoder and decoder delay in samples.
    pub delay_frames: u32,
    /// Padding in samples, less the decoder delay.
    pub padding_frames: u32,
}

impl InfoTag {
    /// `None` if `frame`, a complete frame, is not an information frame.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let header = Header::parse(frame)?;
        if header.layer != 3 {
            return None;
        }
        Self::xing(frame, &header).or_else(|| Self::vbri(frame))
    }

    fn xing(frame: &[u8], header: &Header) -> Option<Self> {
        // Written without regard to a checksum, which would shift the side
        // information.
        let mut fields = Fields(frame.get(HEADER_BYTES + header.side_info_bytes()..)?);
        let name = fields.take(4)?;
        if name != b"Xing" && name != b"Info" {
            return None;
        }
        let flags = fields.number()?;
        let mut tag = Self::default();
        if flags & HAS_FRAMES != 0 {
            tag.frames = Some(fields.number()?);
        }
        if flags & HAS_BYTES != 0 {
            tag.bytes = Some(fields.number()?);
        }
        if flags & HAS_TABLE != 0 {
            fields.take(TABLE_BYTES)?;
        }
        if flags & HAS_QUALITY != 0 {
            fields.take(4)?;
        }
        // Encoder, revision and filter, gains, flags and rate; then 12 bits each.
        if let (Some(encoder), Some(_), Some(trims)) =
            (fields.take(9), fields.take(12), fields.take(3))
            && [b"LAME", b"Lavf", b"Lavc"]
                .contains(&&[encoder[0], encoder[1], encoder[2], encoder[3]])
        {
            let trims = u32::from_be_bytes([0, trims[0], trims[1], trims[2]]);
            tag.delay_frames = (trims >> 12) + DECODER_DELAY_FRAMES;
            tag.padding_frames = (trims & 0xfff).saturating_sub(DECODER_DELAY_FRAMES);
        }
        Some(tag)
    }

    fn vbri(frame: &[u8]) -> Option<Self> {
        let mut fields = Fields(frame.get(VBRI_OFFSET_BYTES..)?);
        if fields.take(4)? != b"VBRI" {
            return None;
        }
        // Version, delay, quality.
        fields.take(6)?;
        Some(Self {
            bytes: Some(fields.number()?),
            frames: Some(fields.number()?),
            ..Self::default()
        })
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(fields: &[&[u8]]) -> Vec<u8> {
        let mut frame = vec![0xff, 0xfb, 0x90, 0x00];
        frame.resize(HEADER_BYTES + 32, 0);
        frame.extend(fields.concat());
        frame.resize(417, 0);
        frame
    }

    #[test]
    fn tags_of_common_encoders_are_parsed() {
        let lame = [&b"LAME3.100"[..], &[0; 12], &[0x24, 0x05, 0x00], &[0; 12]].concat();
        let whole = frame(&[
            b"Xing",
            &[0, 0, 0, 15],
            &[0, 0, 1, 2],
            &[0, 0, 3, 4],
            &[0; 100],
            &[0; 4],
            &lame,
        ]);
        assert_eq!(
            InfoTag::parse(&whole),
            Some(InfoTag {
                frames: Some(258),
                bytes: Some(772),
                delay_frames: 0x240 + 529,
                padding_frames: 0x500 - 529,
            })
        );
        let bare = frame(&[b"Info", &[0; 4]]);
        assert_eq!(InfoTag::parse(&bare), Some(InfoTag::default()));
        let vbri = frame(&[b"VBRI", &[0; 6], &[0, 0, 3, 4], &[0, 0, 1, 2]]);
        assert_eq!(
            InfoTag::parse(&vbri),
            Some(InfoTag {
                frames: Some(258),
                bytes: Some(772),
                ..InfoTag::default()
            })
        );
        assert_eq!(InfoTag::parse(&frame(&[])), None);
        assert_eq!(InfoTag::parse(&whole[..40]), None);
    }
}
