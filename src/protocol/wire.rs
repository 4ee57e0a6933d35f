//! Frames: a length and JSON, see the [module above](super).

use serde::{Serialize, de::DeserializeOwned};

/// Longest frame. A segment's text is at most some kilobytes; more is garbage.
pub const FRAME_MAX_BYTES: usize = 1 << 20;

const LENGTH_BYTES: usize = 4;

/// Why bytes from the other side are no message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A frame longer than [`FRAME_MAX_BYTES`].
    #[error("a frame of {0} bytes, longer than any message of ours")]
    TooLong(usize),
    /// Not the JSON of a known message.
    #[error("not a message of ours: {0}")]
    Json(#[from] serde_json::Error),
}

/// The bytes of one frame.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, WireError> {
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - LENGTH_BYTES;
    if length > FRAME_MAX_BYTES {
        return Err(WireError::TooLong(length));
    }
    let length = u32::try_from(length).map_err(|_| WireError::TooLong(length))?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// Takes bytes as they came from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message, `None` until more bytes come. After an error
    /// the stream is of no more use.
    pub fn message<M: DeserializeOwned>(&mut self) -> Result<Option<M>, WireError> {
        let Some((length, rest)) = self.pending.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > FRAME_MAX_BYTES {
            return Err(WireError::TooLong(length));
        }
        let Some(json) = rest.get(..length) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(json)?;
        self.pending.drain(..LENGTH_BYTES + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Report, Request};
    use super::*;

    #[test]
    fn messages_survive_any_fragmentation() {
        let sent = [
            Report::Alive { job: 1 },
            Report::ModelFailed {
                model: "x".into(),
                reason: "größer".into(),
            },
            Report::Alive { job: 2 },
        ];
        let bytes: Vec<u8> = sent.iter().flat_map(|m| encode(m).unwrap()).collect();
        for piece_bytes in [1, 3, 7, bytes.len()] {
            let mut decoder = Decoder::default();
            let mut received: Vec<Report> = Vec::new();
            for piece in bytes.chunks(piece_bytes) {
                decoder.push(piece);
                while let Some(message) = decoder.message().unwrap() {
                    received.push(message);
                }
            }
            assert_eq!(received, sent, "in pieces of {piece_bytes}");
        }
    }

    #[test]
    fn garbage_is_an_error_and_no_allocation() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert!(matches!(
            decoder.message::<Request>(),
            Err(WireError::TooLong(_))
        ));
        let mut decoder = Decoder::default();
        decoder.push(&[2, 0, 0, 0, b'{', b'}']);
        assert!(matches!(
            decoder.message::<Request>(),
            Err(WireError::Json(_))
        ));
    }
}
