//! Blocks: frames of one track, one or several ("lacing"; RFC 9559, section 10).

use super::ebml;

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Track number.
    pub track: u64,
    /// Timestamp relative to that of the cluster, in ticks of the segment.
    pub relative: i16,
    /// How the frames are separated.
    pub lacing: Lacing,
    /// Length of this header.
    pub header_bytes: usize,
}

/// How the frames of a block are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacing {
    None,
    Xiph,
    Fixed,
    Ebml,
}

/// Upper bound of a [`BlockHeader`]'s length.
pub const HEADER_MAX_BYTES: usize = 11;

impl BlockHeader {
    /// Parses the start of a block.
    pub fn parse(block: &[u8]) -> Option<Self> {
        let (track, length, _) = ebml::number(block)?;
        let [high, low, flags] = *block.get(length..)?.first_chunk()?;
        Some(Self {
            track,
            relative: i16::from_be_bytes([high, low]),
            lacing: match flags >> 1 & 3 {
                0 => Lacing::None,
                1 => Lacing::Xiph,
                2 => Lacing::Fixed,
                _ => Lacing::Ebml,
            },
            header_bytes: length + 3,
        })
    }
}

/// The frames in `body`, which follows the header: `None` if their sizes do not
/// add up. A block has at most 256 frames.
pub fn frames(body: &[u8], lacing: Lacing) -> Option<Vec<&[u8]>> {
    if lacing == Lacing::None {
        return Some(vec![body]);
    }
    let (more, mut rest) = body.split_first()?;
    let more = usize::from(*more);
    let mut sizes = Vec::with_capacity(more);
    match lacing {
        Lacing::None => {}
        Lacing::Xiph => {
            for _ in 0..more {
                let end = rest.iter().position(|byte| *byte != 0xff)?;
                sizes.push(end * 0xff + usize::from(rest[end]));
                rest = &rest[end + 1..];
            }
        }
        Lacing::Fixed => {
            if !rest.len().is_multiple_of(more + 1) {
                return None;
            }
            sizes.resize(more, rest.len() / (more + 1));
        }
        Lacing::Ebml => {
            let mut size = 0_i64;
            for index in 0..more {
                let (value, length, _) = ebml::number(rest)?;
                rest = &rest[length..];
                let value = i64::try_from(value).ok()?;
                size = if index == 0 {
                    value
                } else {
                    // Signed difference to the previous size, stored with a bias.
                    size.checked_add(value - ((1 << (7 * length - 1)) - 1))?
                };
                sizes.push(usize::try_from(size).ok()?);
            }
        }
    }
    let mut frames = Vec::with_capacity(more + 1);
    for size in sizes {
        let (frame, behind) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = behind;
    }
    frames.push(rest);
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_headers() {
        assert_eq!(
            BlockHeader::parse(&[0x81, 0xff, 0xfe, 0x80, 9]),
            Some(BlockHeader {
                track: 1,
                relative: -2,
                lacing: Lacing::None,
                header_bytes: 4
            })
        );
        let header = BlockHeader::parse(&[0x40, 0xc8, 0, 1, 0x06]).unwrap();
        assert_eq!(
            (header.track, header.lacing, header.header_bytes),
            (200, Lacing::Ebml, 5)
        );
        assert_eq!(BlockHeader::parse(&[0x81, 0, 1]), None);
    }

    #[test]
    fn lacing_is_parsed_or_refused() {
        let long = vec![7; 300];
        let xiph = [&[2, 0xff, 45, 1][..], &long, b"x", b"rest"].concat();
        let sizes = |body: &[u8], lacing| -> Option<Vec<usize>> {
            Some(
                frames(body, lacing)?
                    .iter()
                    .map(|frame| frame.len())
                    .collect(),
            )
        };
        for (name, body, lacing, expected) in [
            ("none", &b"abc"[..], Lacing::None, Some(vec![3])),
            ("xiph", &xiph, Lacing::Xiph, Some(vec![300, 1, 4])),
            ("xiph, too long", &[1, 9, 1], Lacing::Xiph, None),
            ("xiph, without end", &[1, 0xff, 0xff], Lacing::Xiph, None),
            (
                "fixed",
                &[2, 1, 1, 2, 2, 3, 3],
                Lacing::Fixed,
                Some(vec![2, 2, 2]),
            ),
            ("fixed, uneven", &[1, 1, 1, 1], Lacing::Fixed, None),
            // 2, then 2 - 1, then the rest
            (
                "ebml",
                &[2, 0x82, 0xbe, 1, 1, 2, 3],
                Lacing::Ebml,
                Some(vec![2, 1, 1]),
            ),
            ("ebml, negative", &[2, 0x80, 0xbe, 1], Lacing::Ebml, None),
            ("ebml, cut off", &[9, 0x82], Lacing::Ebml, None),
            ("one laced frame", &[0, 5], Lacing::Xiph, Some(vec![1])),
            ("empty", &[], Lacing::Ebml, None),
        ] {
            assert_eq!(sizes(body, lacing), expected, "{name}");
        }
    }
}
