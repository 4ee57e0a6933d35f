//! Descriptors of MPEG-4 systems, which contain a decoder's config (ISO/IEC
//! 14496-1, 7.2.6), as in `esds` boxes and in CAF cookies.

use super::boxes::Fields;

const TAG_STREAM: u8 = 3;
const TAG_DECODER_CONFIG: u8 = 4;
const TAG_DECODER_SPECIFIC: u8 = 5;

/// `DecoderConfigDescriptor`.
#[derive(Debug, PartialEq)]
pub struct DecoderConfig<'a> {
    /// `objectTypeIndication`.
    pub object_type: u8,
    /// `DecoderSpecificInfo`: for AAC its AudioSpecificConfig.
    pub specific: Option<&'a [u8]>,
}

/// Reads an `ES_Descriptor`, or a `DecoderConfigDescriptor` by itself.
pub fn decoder_config(bytes: &[u8]) -> Option<DecoderConfig<'_>> {
    let (tag, mut fields) = descriptor(&mut Fields::new(bytes))?;
    let mut config = match tag {
        TAG_STREAM => {
            fields.u16()?;
            let flags = fields.u8()?;
            if flags & 0x80 != 0 {
                fields.u16()?;
            }
            if flags & 0x40 != 0 {
                let url_bytes = fields.u8()?;
                fields.take(url_bytes.into())?;
            }
            if flags & 0x20 != 0 {
                fields.u16()?;
            }
            let (tag, config) = descriptor(&mut fields)?;
            (tag == TAG_DECODER_CONFIG).then_some(config)?
        }
        TAG_DECODER_CONFIG => fields,
        _ => return None,
    };
    let object_type = config.u8()?;
    // Stream type, buffer size and bit rates.
    config.take(12)?;
    let specific = descriptor(&mut config)
        .and_then(|(tag, content)| (tag == TAG_DECODER_SPECIFIC).then_some(content.rest()));
    Some(DecoderConfig {
        object_type,
        specific,
    })
}

/// The next descriptor: its tag and content, possibly truncated.
fn descriptor<'a>(fields: &mut Fields<'a>) -> Option<(u8, Fields<'a>)> {
    let tag = fields.u8()?;
    let mut length = 0_usize;
    for _ in 0..4 {
        let byte = fields.u8()?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let content = fields.take(length.min(fields.rest().len()))?;
    Some((tag, Fields::new(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_found_in_nested_descriptors() {
        let mut decoder = vec![4, 17, 0x40, 0x15];
        decoder.extend_from_slice(&[0; 11]);
        decoder.extend_from_slice(&[5, 2, 0x12, 0x10]);
        let expected = Some(DecoderConfig {
            object_type: 0x40,
            specific: Some(&[0x12, 0x10][..]),
        });
        let wrap = |head: &[u8]| [head, &decoder].concat();
        for (name, bytes) in [
            ("bare", decoder.clone()),
            ("in a stream", wrap(&[3, 22, 0, 0, 0])),
            ("long lengths", wrap(&[3, 0x80, 0x80, 0x80, 22, 0, 0, 0])),
            ("with a URL", wrap(&[3, 25, 0, 0, 0x40, 2, b'h', b'i'])),
        ] {
            assert_eq!(decoder_config(&bytes), expected, "{name}");
            for length in 0..bytes.len() - 4 {
                let cut = decoder_config(&bytes[..length]);
                assert!(cut.is_none_or(|cut| cut.specific.is_none()), "{name}");
            }
        }
    }
}
