//! Checksums of chunks, computed on the blocking threads so that no other upload
//! waits.

use std::io;

use bytes::Bytes;
use sha2::digest::DynDigest;
use tokio::task::JoinHandle;

use super::error::UploadError;
use crate::blocking;
use crate::store::ring;

/// A checksum algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 as in Ethernet and zip (ISO 3309), most significant byte first.
    Crc32,
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-1 (FIPS 180-4).
    Sha1,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
}

/// The expected checksum of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its value; one of another length than the algorithm's matches nothing.
    pub value: Vec<u8>,
}

/// Where the checksum of a chunk is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChecksumPlace {
    /// In the request head.
    InHeader(Checksum),
    /// In a trailer, see [`ByteSource::checksum`](super::ByteSource::checksum).
    InTrailer,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Algorithm; 5] = [
        Algorithm::Crc32,
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha512,
    ];

    /// Its name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "crc32",
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }
}

enum Hasher {
    Crc32(crc32fast::Hasher),
    Digest(Box<dyn DynDigest + Send>),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Hasher {
        Hasher::Digest(match algorithm {
            Algorithm::Crc32 => return Hasher::Crc32(crc32fast::Hasher::new()),
            Algorithm::Md5 => Box::new(md5::Md5::default()),
            Algorithm::Sha1 => Box::new(sha1::Sha1::default()),
            Algorithm::Sha256 => Box::new(sha2::Sha256::default()),
            Algorithm::Sha512 => Box::new(sha2::Sha512::default()),
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc32(hasher) => hasher.update(bytes),
            Hasher::Digest(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Hasher::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Hasher::Digest(digest) => digest.finalize().into_vec(),
        }
    }
}

/// A chunk that is being received, and its expected checksum.
pub(super) struct Check {
    expected: Option<Checksum>,
    /// The states after the bytes before `waiting`; of all algorithms if the trailer
    /// names one of them.
    hashing: JoinHandle<Vec<(Algorithm, Hasher)>>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

/// Most bytes hashed at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Most pieces hashed at a time: each has memory of its own.
const PIECES: usize = 64;

impl Check {
    /// Before the first byte.
    pub(super) fn new(promise: ChecksumPlace) -> Check {
        let (expected, algorithms) = match promise {
            ChecksumPlace::InHeader(checksum) => {
                let algorithm = checksum.algorithm;
                (Some(checksum), vec![algorithm])
            }
            ChecksumPlace::InTrailer => (None, Algorithm::ALL.to_vec()),
        };
        let hashers = algorithms
            .into_iter()
            .map(|algorithm| (algorithm, Hasher::new(algorithm)))
            .collect();
        Check {
            expected,
            hashing: ring::spawn(async { hashers }),
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// The next bytes.
    pub(super) async fn add(&mut self, bytes: Bytes) -> io::Result<()> {
        self.waiting_bytes += bytes.len();
        self.waiting.push(bytes);
        match self.waiting_bytes >= PIECE_BYTES || self.waiting.len() >= PIECES {
            true => self.hash_waiting().await,
            false => Ok(()),
        }
    }

    async fn hash_waiting(&mut self) -> io::Result<()> {
        let mut hashers = (&mut self.hashing).await.map_err(io::Error::other)?;
        let pieces = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.hashing = ring::spawn(blocking::run(move || {
            for (_, hasher) in &mut hashers {
                pieces.iter().for_each(|piece| hasher.update(piece));
            }
            hashers
        }));
        Ok(())
    }

    /// Compares all bytes with the checksum of the head, or with that of the
    /// trailer.
    pub(super) async fn settle(mut self, in_trailer: Option<Checksum>) -> Result<(), UploadError> {
        self.hash_waiting().await?;
        let hashers = self.hashing.await.map_err(io::Error::other)?;
        let expected = self.expected.or(in_trailer);
        let Checksum { algorithm, value } = expected.ok_or(UploadError::NoChecksum)?;
        let mut hashers = hashers.into_iter();
        let computed = hashers
            .find(|(known, _)| *known == algorithm)
            .map(|(_, hasher)| hasher.finish());
        match computed == Some(value) {
            true => Ok(()),
            false => Err(UploadError::Checksum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of every algorithm's own specification.
    #[test]
    fn every_algorithm_computes_what_its_specification_says() {
        for (algorithm, text, expected) in [
            (Algorithm::Crc32, "123456789", "cbf43926"),
            (
                Algorithm::Md5,
                "message digest",
                "f96b697d7cb7938d525a2f31aaf161d0",
            ),
            (
                Algorithm::Sha1,
                "abc",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
            ),
            (
                Algorithm::Sha256,
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(text.as_bytes());
            let value = hasher.finish();
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{algorithm:?}");
        }
        let sha512 = Hasher::new(Algorithm::Sha512).finish();
        assert_eq!(sha512.len(), 64);
        assert_eq!(sha512[..4], [0xcf, 0x83, 0xe1, 0x35]);
    }

    #[test]
    fn pieces_of_any_size_come_to_the_same() {
        let content: Vec<u8> = (0..1_000_000_u32).map(|at| (at * 7) as u8).collect();
        let content = Bytes::from(content);
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(&content);
        let value = hasher.finish();
        ring::run(async {
            for piece_bytes in [7000, 262_144, 1_000_000] {
                for is_right in [true, false] {
                    let mut expected = Checksum {
                        algorithm: Algorithm::Sha256,
                        value: value.clone(),
                    };
                    expected.value[31] ^= u8::from(!is_right);
                    let mut check = Check::new(ChecksumPlace::InHeader(expected));
                    for piece in content.chunks(piece_bytes) {
                        let piece = content.slice_ref(piece);
                        check.add(piece).await.unwrap();
                    }
                    assert_eq!(check.settle(None).await.is_ok(), is_right);
                }
            }
        })
        .unwrap();
    }
}
