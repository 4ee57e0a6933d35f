use super::*;

#[test]
fn aac_configs_describe_the_core() {
    type Case = (&'static str, &'static [u8], u32, u32, u32);
    let cases: [Case; 5] = [
        ("LC, 44.1 kHz stereo", &[0x12, 0x10], 44_100, 2, 1024),
        ("LC, 960 frames", &[0x12, 0x14], 44_100, 2, 960),
        (
            "HE, core 22.05 kHz",
            &[0x2b, 0x92, 0x08, 0],
            22_050,
            2,
            1024,
        ),
        ("HE v2, mono core", &[0xeb, 0x8a, 0x08, 0], 22_050, 1, 1024),
        (
            "rate in 24 bits",
            &[0x17, 0x80, 0x2b, 0x11, 0x10],
            22_050,
            2,
            1024,
        ),
    ];
    for (name, config, rate, channels, frames) in cases {
        let coding = Coding::aac(Some(config), 1, 1);
        assert_eq!(coding.rate(), rate, "{name}");
        let found = coding.parameters.channels.unwrap().count();
        assert_eq!(found as u32, channels, "{name}");
        assert_eq!(
            coding.layout,
            Layout::Packets(Frames::Fixed(frames)),
            "{name}"
        );
    }
    assert_eq!(
        Coding::aac(Some(&[0xf9, 0x40, 0]), 1, 1).name,
        "xHE-AAC (USAC)"
    );
}

#[test]
fn opus_header_for_the_decoder_has_no_pre_skip() {
    let (coding, delay) =
        Coding::opus(&[0, 2, 0x01, 0x38, 0, 0, 0xbb, 0x80, 0xff, 0xfe, 0], true).unwrap();
    assert_eq!(delay, 312);
    assert_eq!(
        coding.parameters.extra_data.as_deref(),
        Some(&b"OpusHead\x01\x02\0\0\x80\xbb\0\0\xfe\xff\0"[..])
    );
    assert!(Coding::opus(&[0, 2, 1], true).is_none());
}
