//! Channel layouts by ffmpeg's names.

/// Name and channel mask as in a WAV header (`dwChannelMask`); samples are
/// interleaved in the order of the bits.
const LAYOUTS: [(&str, u32); 30] = [
    ("mono", 0x4),
    ("stereo", 0x3),
    ("2.1", 0xb),
    ("3.0", 0x7),
    ("3.0(back)", 0x103),
    ("3.1", 0xf),
    ("4.0", 0x107),
    ("4.1", 0x10f),
    ("quad", 0x33),
    ("quad(side)", 0x603),
    ("5.0", 0x37),
    ("5.0(side)", 0x607),
    ("5.1", 0x3f),
    ("5.1(side)", 0x60f),
    ("6.0", 0x707),
    ("6.0(front)", 0x6c3),
    ("hexagonal", 0x137),
    ("6.1", 0x70f),
    ("6.1(back)", 0x13f),
    ("6.1(front)", 0x6cb),
    ("7.0", 0x637),
    ("7.0(front)", 0x6c7),
    ("7.1", 0x63f),
    ("7.1(wide)", 0xff),
    ("7.1(wide-side)", 0x6cf),
    ("octagonal", 0x737),
    ("5.1.2", 0x503f),
    ("5.1.4", 0x2d03f),
    ("7.1.2", 0x563f),
    ("7.1.4", 0x2d63f),
];

/// Number of channels and channel mask of a layout, 0 if the positions are
/// unknown. `None` if the name does not describe channels.
pub fn parse(name: &str) -> Option<(u16, u32)> {
    if let Some((_, mask)) = LAYOUTS.iter().find(|(known, _)| *known == name) {
        return Some((mask.count_ones() as u16, *mask));
    }
    // "6 channels", "6 channels (FL+FR+…)"
    let (count, rest) = name.split_once(' ')?;
    if rest.starts_with("channel") {
        return Some((count.parse().ok()?, 0));
    }
    // "ambisonic 1", "ambisonic 1+stereo"
    if count == "ambisonic" {
        let order: u16 = rest.split('+').next()?.parse().ok()?;
        let channels = order.checked_add(1)?.checked_pow(2)?;
        let more = rest.split_once('+').and_then(|(_, name)| parse(name));
        return Some((channels + more.map_or(0, |(channels, _)| channels), 0));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_masks_match_their_channel_counts() {
        for (name, expected) in [
            ("mono", Some((1, 0x4))),
            ("stereo", Some((2, 0x3))),
            ("5.1", Some((6, 0x3f))),
            ("5.1(side)", Some((6, 0x60f))),
            ("6.1", Some((7, 0x70f))),
            ("7.1", Some((8, 0x63f))),
            ("7.1.4", Some((12, 0x2d63f))),
            ("3 channels", Some((3, 0))),
            ("1 channels (FC)", Some((1, 0))),
            ("ambisonic 1", Some((4, 0))),
            ("ambisonic 1+stereo", Some((6, 0))),
            ("fltp", None),
            ("384 kb/s", None),
            ("ambisonic 65535", None),
        ] {
            assert_eq!(parse(name), expected, "{name}");
        }
        for (name, mask) in LAYOUTS {
            let digits = name.split('(').next().unwrap().split('.');
            let sum: Option<u32> = digits.map(|digit| digit.parse::<u32>().ok()).sum();
            if let Some(channels) = sum {
                assert_eq!(mask.count_ones(), channels, "{name}");
            }
        }
    }
}
