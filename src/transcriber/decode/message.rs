//! What engine and child say to each other. The request is a frame of
//! [`scribed::protocol::wire`]. Each message of the child is a head of two numbers
//! of 32 bits (least significant byte first), the bytes of JSON and the number of
//! samples, then the JSON, then the samples as 32-bit floats in the same order.

use scribed::protocol::{AudioInfo, FailureKind};
use serde::{Deserialize, Serialize};

/// Most samples in a message: four seconds.
pub const SAMPLES_MAX: usize = 65_536;

/// A message without its samples is a warning at most.
const JSON_MAX_BYTES: usize = 64 * 1024;

const HEAD_BYTES: usize = 8;
const SAMPLE_BYTES: usize = 4;

/// What to decode; the recording comes beside it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// So much of the recording is complete.
    pub size_bytes: u64,
    /// Extension of its name, a hint.
    pub extension: Option<String>,
    /// Longer recordings are refused, in seconds.
    pub max_duration_s: u64,
}

/// What the child says, in this order.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// It is confined and waits for the request: from now on a death is the
    /// recording's fault.
    Ready,
    /// A sign of life, at any time.
    Alive,
    /// The recording is understood.
    Opened(AudioInfo),
    /// Samples come with this message.
    Samples {
        /// How much of the file they took so far, 0..=1.
        read_fraction: f64,
    },
    /// Not all of what the file should hold could be decoded.
    Lacking(String),
    /// It cannot be decoded; nothing follows.
    Failed {
        /// Whose fault it is.
        kind: FailureKind,
        /// For people.
        reason: String,
    },
    /// All samples were sent; nothing follows.
    End,
}

/// Why bytes from the child are no message: the decoder was taken over.
#[derive(Debug, thiserror::Error)]
pub enum Garbage {
    /// More than any message has.
    #[error("a message of {0} bytes and {1} samples")]
    TooLong(usize, usize),
    #[error("no known message ({0})")]
    Json(#[from] serde_json::Error),
    /// With another message than [`Message::Samples`].
    #[error("samples that belong to no message")]
    Samples,
    #[error("samples that are no numbers")]
    NotFinite,
}

/// The bytes of a message with at most [`SAMPLES_MAX`] samples.
pub fn encode(message: &Message, samples: &[f32]) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(message)?;
    let length = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + json.len() + samples.len() * SAMPLE_BYTES);
    bytes.extend(length(json.len()));
    bytes.extend(length(samples.len()));
    bytes.extend(json);
    let start = bytes.len();
    bytes.resize(start + samples.len() * SAMPLE_BYTES, 0);
    for (place, sample) in bytes[start..].chunks_exact_mut(SAMPLE_BYTES).zip(samples) {
        place.copy_from_slice(&sample.to_le_bytes());
    }
    Ok(bytes)
}

/// Cuts a stream of bytes into messages, and checks them: a child that was taken
/// over can make neither this process hold much, nor the model hear NaN.
#[derive(Debug, Default)]
pub struct Parser {
    pending: Vec<u8>,
}

impl Parser {
    /// Takes bytes as they came from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message and its samples; `None` until more bytes come.
    /// After an error the stream is of no more use.
    pub fn next(&mut self) -> Result<Option<(Message, Vec<f32>)>, Garbage> {
        let Some((head, rest)) = self.pending.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h] = *head;
        let json_bytes = u32::from_le_bytes([a, b, c, d]) as usize;
        let count = u32::from_le_bytes([e, f, g, h]) as usize;
        if json_bytes > JSON_MAX_BYTES || count > SAMPLES_MAX {
            return Err(Garbage::TooLong(json_bytes, count));
        }
        let all_bytes = json_bytes + count * SAMPLE_BYTES;
        let Some((json, coded)) = rest
            .get(..all_bytes)
            .map(|message| message.split_at(json_bytes))
        else {
            return Ok(None);
        };
        let message: Message = serde_json::from_slice(json)?;
        if count > 0 && !matches!(message, Message::Samples { .. }) {
            return Err(Garbage::Samples);
        }
        let samples: Vec<f32> = coded
            .chunks_exact(SAMPLE_BYTES)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        if !samples.iter().all(|sample| sample.is_finite()) {
            return Err(Garbage::NotFinite);
        }
        self.pending.drain(..HEAD_BYTES + all_bytes);
        Ok(Some((message, samples)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Message {
        Message::Samples { read_fraction: 0.5 }
    }

    #[test]
    fn messages_are_the_same_at_the_other_end_in_any_pieces() {
        let messages = [
            (Message::Ready, vec![]),
            (samples(), vec![0.0, -1.0, 1e-30, 2_147_483_648.0]),
            (samples(), vec![0.25; SAMPLES_MAX]),
            (Message::Lacking("ü".repeat(1000)), vec![]),
            (
                Message::Failed {
                    kind: FailureKind::Rejected,
                    reason: "no sound".to_owned(),
                },
                vec![],
            ),
            (Message::End, vec![]),
        ];
        let bytes: Vec<u8> = messages
            .iter()
            .flat_map(|(message, samples)| encode(message, samples).unwrap())
            .collect();
        for piece_bytes in [1000, 77_777, bytes.len()] {
            let mut parser = Parser::default();
            let mut parsed = Vec::new();
            for piece in bytes.chunks(piece_bytes) {
                parser.push(piece);
                while let Some(message) = parser.next().unwrap() {
                    parsed.push(message);
                }
            }
            assert_eq!(parsed, messages, "{piece_bytes}");
        }
    }

    #[test]
    fn what_no_decoder_says_is_refused_before_it_is_kept() {
        let refused = |bytes: &[u8]| {
            let mut parser = Parser::default();
            parser.push(bytes);
            parser.next().unwrap_err().to_string()
        };
        let head = |json: u32, samples: u32| [json.to_le_bytes(), samples.to_le_bytes()].concat();
        for (json, samples) in [
            (u32::MAX, 0),
            (0, u32::MAX),
            (JSON_MAX_BYTES as u32 + 1, 0),
            (2, SAMPLES_MAX as u32 + 1),
        ] {
            assert!(refused(&head(json, samples)).contains("samples"));
        }
        assert!(refused(&[&head(2, 0)[..], b"{}"].concat()).contains("no known message"));
        assert!(refused(&encode(&Message::End, &[0.0]).unwrap()).contains("belong to no"));
        for sample in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let bytes = encode(&samples(), &[0.0, sample]).unwrap();
            assert!(refused(&bytes).contains("no numbers"));
        }
    }
}
