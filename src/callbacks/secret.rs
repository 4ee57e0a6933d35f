//! The secret that signs callbacks (Standard Webhooks 1.0.0, symmetric).

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

/// The prefix that the specification requires.
const PREFIX: &str = "whsec_";
/// The sizes that the specification allows.
const MIN_BYTES: usize = 24;
const MAX_BYTES: usize = 64;
/// The size of generated secrets.
const GENERATED_BYTES: usize = 32;
/// How much of the file is read.
const FILE_MAX_BYTES: u64 = 4096;

/// The secret shared with the receivers of callbacks, who verify signatures.
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secret").finish_non_exhaustive()
    }
}

/// The secret cannot be used. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or created.
    #[error("cannot read or create the webhook secret {}: {error}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The OS error.
        error: io::Error,
    },
    /// Every user of this machine could sign callbacks.
    #[error("the webhook secret {path} is readable by every user: run chmod o= {path}", path = .0.display())]
    WorldReadable(PathBuf),
    /// The file has a syntax error.
    #[error(
        "the webhook secret {} must be one line: {PREFIX} and {MIN_BYTES} to {MAX_BYTES} random bytes in Base64; \
         create one with: echo {PREFIX}$(openssl rand -base64 {GENERATED_BYTES})",
        .0.display()
    )]
    Syntax(PathBuf),
    /// The operating system's random number generator failed.
    #[error("cannot get random numbers from the operating system: {0}")]
    Random(getrandom::Error),
}

impl Secret {
    /// Reads the secret from a file, which must not be world-readable.
    pub fn load(path: &Path) -> Result<Secret, SecretError> {
        let failed = |error| SecretError::Io {
            path: path.into(),
            error,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode();
        if mode & 0o007 != 0 {
            return Err(SecretError::WorldReadable(path.into()));
        }
        let mut text = Vec::new();
        let read = file.take(FILE_MAX_BYTES).read_to_end(&mut text);
        read.map_err(failed)?;
        let text = String::from_utf8_lossy(&text);
        parse(text.trim()).ok_or(SecretError::Syntax(path.into()))
    }

    /// Reads the secret from a file, or creates the file with a new secret if it
    /// does not exist.
    pub fn load_or_create(path: &Path) -> Result<Secret, SecretError> {
        if path.exists() {
            return Secret::load(path);
        }
        let mut bytes = [0; GENERATED_BYTES];
        getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
        let text = format!("{PREFIX}{}\n", STANDARD.encode(bytes));
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(SecretError::Syntax(path.into()));
        };
        let created = replace_durably(dir, &name.to_string_lossy(), text.as_bytes());
        created.map_err(|error| SecretError::Io {
            path: path.into(),
            error,
        })?;
        Ok(Secret(bytes.to_vec()))
    }

    /// Begins to sign a message, at this time. `id` must stay the same when the
    /// message is sent again.
    pub fn signer(&self, id: Uuid, now: Timestamp) -> Signer {
        let id = format!("msg_{}", id.simple());
        let timestamp = now.as_second();
        // HMAC accepts keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok();
        if let Some(mac) = &mut mac {
            mac.update(format!("{id}.{timestamp}.").as_bytes());
        }
        Signer { id, timestamp, mac }
    }
}

/// The signature of a message, whose bytes are added one after the other.
pub struct Signer {
    id: String,
    timestamp: i64,
    mac: Option<Hmac<Sha256>>,
}

impl Signer {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(mac) = &mut self.mac {
            mac.update(bytes);
        }
    }

    /// The headers that authenticate the message and its time.
    pub fn headers(self) -> HeaderMap {
        let Some(mac) = self.mac else {
            return HeaderMap::new();
        };
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        [
            (ID, HeaderValue::try_from(self.id).ok()),
            (TIMESTAMP, Some(HeaderValue::from(self.timestamp))),
            (SIGNATURE, HeaderValue::try_from(signature).ok()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

fn parse(text: &str) -> Option<Secret> {
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    (MIN_BYTES..=MAX_BYTES)
        .contains(&bytes.len())
        .then_some(Secret(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn signatures_match_the_specification() {
        // The example of the reference implementations.
        let secret = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).unwrap();
        mac.update(b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}");
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let mut signer = secret.signer(Uuid::from_u128(7), now);
        signer.update(b"{");
        signer.update(b"}");
        let headers = signer.headers();
        assert_eq!(headers[ID], "msg_00000000000000000000000000000007");
        assert_eq!(headers[TIMESTAMP], "1614265330");
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).unwrap();
        mac.update(b"msg_00000000000000000000000000000007.1614265330.{}");
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(headers[SIGNATURE], format!("v1,{signature}"));
    }

    #[test]
    fn a_secret_is_created_once_and_not_world_readable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(Secret::load(&path), Err(SecretError::Io { .. })));
        let created = Secret::load_or_create(&path).unwrap();
        assert_eq!(Secret::load_or_create(&path).unwrap().0, created.0);
        assert_eq!(created.0.len(), GENERATED_BYTES);
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Secret::load(&path),
            Err(SecretError::WorldReadable(_))
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Secret::load(&path).is_ok());
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "secret", "whsec_!"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(Secret::load(&path), Err(SecretError::Syntax(_))));
        }
    }
}
