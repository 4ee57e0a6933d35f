//! A guess at what a file is that is no recording, for the message to its sender.

/// How much of the file's start the guess wants to see.
pub const HEAD_BYTES: usize = 4096;

const TRANSPORT_PACKET_BYTES: usize = 188;
const TRANSPORT_SYNC: u8 = 0x47;

/// Completes "the file is no recording that can be read: …".
pub fn describe(head: &[u8]) -> String {
    if is_transport_stream(head) {
        return "it is an MPEG transport stream".to_owned();
    }
    if head.starts_with(b"#!AMR") {
        return "it is an AMR recording".to_owned();
    }
    if let Some(kind) = infer::get(head) {
        return format!("it looks like {}", kind.mime_type());
    }
    if is_text(head) {
        return "it looks like text".to_owned();
    }
    "nothing in it is of a known audio format".to_owned()
}

/// A transport stream has a sync byte every 188 bytes. The AAC probe takes such
/// a file for its own, so it has to be told apart first.
pub fn is_transport_stream(head: &[u8]) -> bool {
    let mut packets = head.chunks_exact(TRANSPORT_PACKET_BYTES);
    packets.len() >= 3 && packets.all(|packet| packet[0] == TRANSPORT_SYNC)
}

fn is_text(head: &[u8]) -> bool {
    // The head may end in the middle of a character.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|character| !character.is_control() || "\n\r\t\u{c}".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_mistakes_are_named() {
        let mut transport = vec![0; 4 * TRANSPORT_PACKET_BYTES];
        transport
            .iter_mut()
            .step_by(TRANSPORT_PACKET_BYTES)
            .for_each(|byte| *byte = TRANSPORT_SYNC);
        for (head, expected) in [
            (&b"Dear Sir or Madam,\n"[..], "it looks like text"),
            (
                "größer".as_bytes().split_last().unwrap().1,
                "it looks like text",
            ),
            (b"%PDF-1.7\n", "it looks like application/pdf"),
            (b"#!AMR\n\x3c", "it is an AMR recording"),
            (&transport, "it is an MPEG transport stream"),
            (
                b"\x01\x02\x03\x04",
                "nothing in it is of a known audio format",
            ),
        ] {
            assert_eq!(describe(head), expected);
        }
    }
}
