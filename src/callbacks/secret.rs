//! What callbacks are signed with (Standard Webhooks 1.0.0, symmetric).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use sha2::Sha256;
use uuid::Uuid;

use crate::store::replace_durably;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// So that a secret is known for one wherever it is found.
const PREFIX: &str = "whsec_";
/// As the specification has it.
const LEAST_BYTES: usize = 24;
const MOST_BYTES: usize = 64;
/// Of those that are made here.
const MADE_BYTES: usize = 32;
/// A file that is longer is something else.
const FILE_MAX_BYTES: u64 = 4096;

/// Known to us and to whoever checks that a callback is ours.
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secret").finish_non_exhaustive()
    }
}

/// Why there is none; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read or made.
    #[error("the secret of callbacks, {}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Everybody on this machine could sign.
    #[error("the secret of callbacks, {path}, can be read by everybody: chmod o= {path}", path = .0.display())]
    Open(PathBuf),
    /// It is none.
    #[error(
        "the secret of callbacks, {}, must be one line: {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} random bytes in Base64, \
         as this makes it: echo {PREFIX}$(openssl rand -base64 {MADE_BYTES})",
        .0.display()
    )]
    Syntax(PathBuf),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Secret {
    /// Reads it from a file that not everybody can read.
    pub fn load(path: &Path) -> Result<Secret, SecretError> {
        let failed = |error| SecretError::Io {
            path: path.into(),
            error,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode();
        if mode & 0o007 != 0 {
            return Err(SecretError::Open(path.into()));
        }
        let mut text = Vec::new();
        let read = file.take(FILE_MAX_BYTES).read_to_end(&mut text);
        read.map_err(failed)?;
        let text = String::from_utf8_lossy(&text);
        parse(text.trim()).ok_or(SecretError::Syntax(path.into()))
    }

    /// Reads it from a file in the state directory, and makes it where there is
    /// none yet.
    pub fn load_or_make(path: &Path) -> Result<Secret, SecretError> {
        if path.exists() {
            return Secret::load(path);
        }
        let mut bytes = [0; MADE_BYTES];
        getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
        let text = format!("{PREFIX}{}\n", STANDARD.encode(bytes));
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(SecretError::Syntax(path.into()));
        };
        let made = replace_durably(dir, &name.to_string_lossy(), text.as_bytes());
        made.map_err(|error| SecretError::Io {
            path: path.into(),
            error,
        })?;
        Ok(Secret(bytes.to_vec()))
    }

    /// The headers that prove this message to be ours, and of this time. `id`
    /// is the same whenever the message is sent again.
    pub fn sign(&self, id: Uuid, now: Timestamp, message: &[u8]) -> HeaderMap {
        let id = format!("msg_{}", id.simple());
        let timestamp = now.as_second();
        // Keys of any length are good.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return HeaderMap::new();
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(message);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        [
            (ID, HeaderValue::try_from(id).ok()),
            (TIMESTAMP, Some(HeaderValue::from(timestamp))),
            (SIGNATURE, HeaderValue::try_from(signature).ok()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

fn parse(text: &str) -> Option<Secret> {
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    (LEAST_BYTES..=MOST_BYTES)
        .contains(&bytes.len())
        .then_some(Secret(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn signatures_are_those_of_the_specification() {
        // The example of the reference implementations.
        let secret = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).unwrap();
        mac.update(b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}");
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        let headers = secret.sign(
            Uuid::from_u128(7),
            Timestamp::from_second(1_614_265_330).unwrap(),
            b"{}",
        );
        assert_eq!(headers[ID], "msg_00000000000000000000000000000007");
        assert_eq!(headers[TIMESTAMP], "1614265330");
        assert!(headers[SIGNATURE].as_bytes().starts_with(b"v1,"));
    }

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(Secret::load(&path), Err(SecretError::Io { .. })));
        let made = Secret::load_or_make(&path).unwrap();
        assert_eq!(Secret::load_or_make(&path).unwrap().0, made.0);
        assert_eq!(made.0.len(), MADE_BYTES);
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Secret::load(&path), Err(SecretError::Open(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Secret::load(&path).is_ok());
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "secret", "whsec_!"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(Secret::load(&path), Err(SecretError::Syntax(_))));
        }
    }
}
