use super::*;

#[test]
fn opus_packets_state_their_duration() {
    for (packet, frames) in [
        (&[][..], 0),
        (&[0xfc], 960),
        (&[0x08 << 3 | 1], 960),
        (&[0x03 << 3 | 2], 5760),
        (&[0x1f << 3 | 3, 3], 2880),
        (&[0x1f << 3 | 3], 0),
        (&[16 << 3], 120),
    ] {
        assert_eq!(opus_frames(packet), frames, "{packet:?}");
    }
}

#[test]
fn lossless_packets_state_their_duration() {
    for (packet, frames) in [
        (&[0xff, 0xf8, 0x46, 8, 0][..], Some(2304)),
        (&[0xff, 0xf8, 0x06, 8, 0], None),
        (&[0xff, 0xf8, 0x16, 8, 0], Some(192)),
        (&[0xff, 0xf8, 0x56, 8, 0], Some(4608)),
        (&[0xff, 0xf8, 0xc6, 8, 0], Some(4096)),
        (&[0xff, 0xf8, 0x66, 8, 5, 99], Some(100)),
        (&[0xff, 0xf8, 0x76, 8, 0xc4, 0x80, 3, 0xe7], Some(1000)),
        (&[0xff, 0xf8, 0x76, 8, 0xc4, 0x80, 3], None),
    ] {
        assert_eq!(frame::claimed_frames(packet), frames, "{packet:?}");
    }
    // 19 bits, partial, 3 bits, 32 bits of 1000.
    let partial = [0, 0, 0x10, 0, 0, 0x07, 0xd0];
    assert_eq!(alac_frames(&partial), Some(1000));
    assert_eq!(alac_frames(&[0, 0, 0, 0, 0, 0x07, 0xd0]), None);
}
