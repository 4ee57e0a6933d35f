//! HE-AAC with explicit signalling, rewritten as plain AAC-LC.
//!
//! symphonia decodes only AAC-LC and refuses a track whose AudioSpecificConfig
//! (ISO/IEC 14496-3, 1.6.2.1) signals spectral band replication or parametric
//! stereo. Both extend an LC core of half the sample rate that decodes by itself,
//! and its 12 kHz of bandwidth are more than speech recognition uses: the config
//! is rewritten to describe the core only.

use super::bits::Bits;

/// Samples per second by samplingFrequencyIndex (ISO/IEC 14496-3, table 1.18).
pub const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

const OBJECT_TYPE_LC: u32 = 2;
const OBJECT_TYPE_SBR: u32 = 5;
const OBJECT_TYPE_PS: u32 = 29;
const OBJECT_TYPE_ESCAPE: u32 = 31;
/// The index after which the rate follows in 24 bits.
const EXPLICIT_RATE: u32 = 15;

/// The config of the LC core; `None` if `config` needs no change or cannot be
/// parsed.
pub fn core_config(config: &[u8]) -> Option<Box<[u8]>> {
    let mut bits = Bits::new(config);
    let object_type = bits.take(5)?;
    let rate = take_rate(&mut bits)?;
    let channels = bits.take(4)?;
    match object_type {
        OBJECT_TYPE_SBR | OBJECT_TYPE_PS => {
            take_rate(&mut bits)?;
            if bits.take(5)? != OBJECT_TYPE_LC {
                return None;
            }
        }
        // An LC config may be followed by backward-compatible signalling.
        OBJECT_TYPE_LC if config.len() > 2 => {}
        OBJECT_TYPE_ESCAPE.. => return None,
        _ => return None,
    }
    // frameLengthFlag; symphonia supports neither dependsOnCoreCoder nor
    // extensionFlag.
    let short_frames = bits.take(1)?;
    let mut core = Writer::default();
    core.put(OBJECT_TYPE_LC, 5);
    match rate {
        Rate::Index(index) => core.put(index, 4),
        Rate::Explicit(rate) => {
            core.put(EXPLICIT_RATE, 4);
            core.put(rate, 24);
        }
    }
    core.put(channels, 4);
    core.put(short_frames, 1);
    core.put(0, 2);
    let core = core.finish();
    (*core != *config).then_some(core)
}

enum Rate {
    Index(u32),
    Explicit(u32),
}

fn take_rate(bits: &mut Bits<'_>) -> Option<Rate> {
    match bits.take(4)? {
        EXPLICIT_RATE => Some(Rate::Explicit(bits.take(24)?)),
        index => Some(Rate::Index(index)),
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    bits: usize,
}

impl Writer {
    fn put(&mut self, value: u32, count: usize) {
        for shift in (0..count).rev() {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value >> shift & 1) as u8) << (7 - self.bits % 8);
            self.bits += 1;
        }
    }

    fn finish(self) -> Box<[u8]> {
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_rewritten_to_the_lc_core() {
        type Config = &'static [u8];
        let cases: [(&str, Config, Option<Config>); 8] = [
            ("LC, 44.1 kHz stereo", &[0x12, 0x10], None),
            (
                "HE-AAC, core 22.05 kHz stereo",
                &[0x2b, 0x92, 0x08, 0x00],
                Some(&[0x13, 0x90]),
            ),
            (
                "HE-AAC v2, core 22.05 kHz mono",
                &[0xeb, 0x8a, 0x08, 0x00],
                Some(&[0x13, 0x88]),
            ),
            (
                "LC, then the sync word of SBR",
                &[0x13, 0x90, 0x56, 0xe5, 0xa0],
                Some(&[0x13, 0x90]),
            ),
            (
                "HE-AAC, core rate in 24 bits",
                &[0x2f, 0x80, 0x2b, 0x11, 0x12, 0x08, 0x00],
                Some(&[0x17, 0x80, 0x2b, 0x11, 0x10]),
            ),
            ("AAC Main", &[0x0a, 0x10, 0x00], None),
            ("empty", &[], None),
            ("cut short", &[0x2b], None),
        ];
        for (name, config, expected) in cases {
            assert_eq!(core_config(config).as_deref(), expected, "{name}");
        }
    }
}
