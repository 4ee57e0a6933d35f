//! Upload-Checksum (checksum extension): `algorithm base64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, TRAILER};

use crate::http::error::upload::ProtocolError;
use crate::http::headers::names::UPLOAD_CHECKSUM;
use crate::upload::{Algorithm, Checksum, ChecksumPlace};

/// The names of all algorithms, for Tus-Checksum-Algorithm.
pub fn names() -> String {
    Algorithm::ALL.map(Algorithm::name).join(",")
}

/// The checksum that a request head announces: its value, or, with the
/// checksum-trailer extension, that a trailer brings it.
pub fn announced_checksum(headers: &HeaderMap) -> Result<Option<ChecksumPlace>, ProtocolError> {
    if let Some(checksum) = checksum(headers)? {
        return Ok(Some(ChecksumPlace::InHeader(checksum)));
    }
    let announced = headers.get_all(TRAILER).iter().any(|value| {
        value.to_str().is_ok_and(|names| {
            let mut names = names.split(',');
            names.any(|name| UPLOAD_CHECKSUM.as_str().eq_ignore_ascii_case(name.trim()))
        })
    });
    Ok(announced.then_some(ChecksumPlace::InTrailer))
}

/// The checksum in a header or trailer.
pub fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, ProtocolError> {
    let Some(value) = headers.get(UPLOAD_CHECKSUM) else {
        return Ok(None);
    };
    let bad = |message: &str| ProtocolError::Checksum(message.to_owned());
    let value = value.to_str().map_err(|_| bad("it is not ASCII"))?;
    let (name, encoded) = value
        .trim()
        .split_once(' ')
        .ok_or_else(|| bad("write an algorithm, a space, and the checksum in Base64"))?;
    let algorithm = Algorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.name() == name)
        .ok_or_else(|| ProtocolError::Checksum(format!("this server computes {}", names())))?;
    let value = STANDARD
        .decode(encoded.trim())
        .map_err(|_| bad("the checksum is not Base64"))?;
    // A checksum of another length is valid and matches nothing.
    Ok(Some(Checksum { algorithm, value }))
}
