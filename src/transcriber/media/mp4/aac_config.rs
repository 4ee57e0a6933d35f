//! The AudioSpecificConfig of AAC (ISO/IEC 14496-3, 1.6.2.1).

use crate::media::aac::RATES;
use crate::media::bits::Bits;

// Audio object types (table 1.17).
pub const OBJECT_TYPE_LC: u32 = 2;
pub const OBJECT_TYPE_LD: u32 = 23;
pub const OBJECT_TYPE_LAYER_1: u32 = 32;
pub const OBJECT_TYPE_LAYER_3: u32 = 34;
pub const OBJECT_TYPE_ALS: u32 = 36;
pub const OBJECT_TYPE_ELD: u32 = 39;
pub const OBJECT_TYPE_USAC: u32 = 42;

/// The AAC core by an AudioSpecificConfig.
pub struct AacConfig {
    /// Audio object type of the core.
    pub object_type: u32,
    /// Half of the output rate with spectral band replication.
    pub core_rate: Option<u32>,
    /// Channels, if the channel configuration states them.
    pub channels: Option<u32>,
    /// Core frames in a packet.
    pub frames: u32,
}

impl AacConfig {
    /// Parses a config; `None` if it is truncated.
    pub fn read(config: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(config);
        let mut object_type = take_object_type(&mut bits)?;
        let core_rate = take_rate(&mut bits)?;
        let channels = bits.take(4)?;
        if let 5 | 29 = object_type {
            take_rate(&mut bits)?;
            object_type = take_object_type(&mut bits)?;
        }
        let is_short = bits.take(1)? == 1;
        Some(Self {
            object_type,
            core_rate,
            channels: match channels {
                channels @ 1..=6 => Some(channels),
                7 | 12 | 14 => Some(8),
                11 => Some(7),
                _ => None,
            },
            frames: if is_short { 960 } else { 1024 },
        })
    }
}

fn take_object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(5)? {
        31 => Some(32 + bits.take(6)?),
        object_type => Some(object_type),
    }
}

/// Outer `None`: the config ends. Inner `None`: a reserved index.
fn take_rate(bits: &mut Bits<'_>) -> Option<Option<u32>> {
    match bits.take(4)? {
        15 => bits.take(24).map(Some),
        index => Some(RATES.get(index as usize).copied()),
    }
}
