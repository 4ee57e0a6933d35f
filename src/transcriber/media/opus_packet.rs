//! Duration of an Opus packet, which its first bytes state (RFC 6716, section
//! 3.1).

/// Frames at 48 kHz by the packet's TOC, valid or not; `None` if it is too short.
pub fn claimed_frames(packet: &[u8]) -> Option<u64> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        // SILK: 10, 20, 40 and 60 ms.
        config @ 0..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        // Hybrid: 10 and 20 ms.
        config @ 12..16 => [480, 960][usize::from(config % 2)],
        // CELT: 2.5, 5, 10 and 20 ms.
        config => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    Some(frame * count)
}
