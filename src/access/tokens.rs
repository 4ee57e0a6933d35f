//! The tokens file. One token per line; only its hash is stored:
//!
//! ```text
//! NAME SHA256-IN-HEX user|admin CREATED
//! ```
//!
//! Empty lines and lines that begin with `#` are ignored. A token has 256 random
//! bits, so a fast hash is as secure as a slow one.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::store::replace_durably_with;

/// Makes a token recognizable, for example to secret scanners.
const PREFIX: &str = "scribed_";
const HEADER: &str =
    "# name, hash of the token, role, time of creation; see scribed tokens --help\n";
const NAME_MAX_BYTES: usize = 64;

/// What a token gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The uploads and tasks created with this token.
    User,
    /// Everything.
    Admin,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The name given at creation; the owner of uploads created with the token.
    pub name: Arc<str>,
    /// What the token gives access to.
    pub role: Role,
    /// When the token was created.
    pub created: Timestamp,
    hash: [u8; 32],
}

impl Token {
    /// Whether both have the same secret, name and role.
    pub(super) fn is_same(&self, other: &Token) -> bool {
        self.hash == other.hash && self.name == other.name && self.role == other.role
    }
}

/// All tokens of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

/// The tokens file cannot be used, or cannot be changed as requested.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("tokens file {}: {error}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The OS error.
        error: io::Error,
    },
    /// A line has a syntax error.
    #[error("tokens file {}, line {line}: expected NAME SHA256 user|admin CREATED", .path.display())]
    Syntax {
        /// The path.
        path: PathBuf,
        /// The line number, from 1.
        line: usize,
    },
    /// The name is not allowed.
    #[error(
        "`{0}` cannot be the name of a token; use up to {NAME_MAX_BYTES} letters, digits, dots, dashes and underscores"
    )]
    Name(String),
    /// The name is in use.
    #[error("there is a token named `{0}`; remove it first or choose another name")]
    Taken(String),
    /// No token has this name.
    #[error("there is no token named `{0}`")]
    Unknown(String),
    /// The operating system's random number generator failed.
    #[error("cannot get random numbers from the operating system: {0}")]
    Random(getrandom::Error),
}

impl Tokens {
    /// Reads the file; a missing file is an empty one.
    pub fn load(path: &Path) -> Result<Tokens, TokensError> {
        Ok(Tokens::load_existing(path)?.unwrap_or_default())
    }

    /// Reads the file; `None` if it is missing.
    pub fn load_existing(path: &Path) -> Result<Option<Tokens>, TokensError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(path)(error)),
        };
        let lines = text.lines().map(str::trim).enumerate();
        let tokens = lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(index, line)| {
                parse(line).ok_or_else(|| TokensError::Syntax {
                    path: path.into(),
                    line: index + 1,
                })
            });
        Ok(Some(Tokens(tokens.collect::<Result<_, _>>()?)))
    }

    /// The token with this secret. Runs in constant time: the duration does not
    /// depend on which token matches, or whether one does.
    pub fn verify(&self, secret: &[u8]) -> Option<&Token> {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let mut found = u32::MAX;
        for (index, token) in (0..).zip(&self.0) {
            let equal: Choice = hash.ct_eq(&token.hash);
            found = u32::conditional_select(&found, &index, equal);
        }
        self.0.get(found as usize)
    }

    /// The tokens in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the file durably. Owner, group and mode are preserved; a new
    /// file is readable by the group of its directory, which is expected to be
    /// the daemon's.
    fn save(&self, path: &Path) -> io::Result<()> {
        let dir = path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let existing = std::fs::metadata(path);
        let (mode, uid, gid) = match &existing {
            Ok(old) => (old.mode() & 0o777, Some(old.uid()), Some(old.gid())),
            Err(_) => (0o640, None, Some(std::fs::metadata(dir)?.gid())),
        };
        let mut text = String::from(HEADER);
        for token in &self.0 {
            let hash: String = token
                .hash
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let role = match token.role {
                Role::User => "user",
                Role::Admin => "admin",
            };
            text += &format!("{} {hash} {role} {}\n", token.name, token.created);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        replace_durably_with(dir, &name, text.as_bytes(), |file| {
            // Only root may change the owner; for other users it is already theirs.
            match fchown(file, uid, gid) {
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
            file.set_permissions(Permissions::from_mode(mode))
        })
    }
}

/// Creates a token and returns its secret, which is not stored.
pub fn add(path: &Path, name: &str, role: Role) -> Result<String, TokensError> {
    let mut tokens = Tokens::load(path)?;
    if !is_name(name) {
        return Err(TokensError::Name(name.into()));
    }
    if tokens.iter().any(|token| &*token.name == name) {
        return Err(TokensError::Taken(name.into()));
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(TokensError::Random)?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let now = Timestamp::now();
    tokens.0.push(Token {
        name: name.into(),
        role,
        created: Timestamp::from_second(now.as_second()).unwrap_or(now),
        hash: Sha256::digest(secret.as_bytes()).into(),
    });
    tokens.save(path).map_err(io_error(path))?;
    Ok(secret)
}

/// Removes a token.
pub fn remove(path: &Path, name: &str) -> Result<(), TokensError> {
    let mut tokens = Tokens::load(path)?;
    let before = tokens.len();
    tokens.0.retain(|token| &*token.name != name);
    if tokens.len() == before {
        return Err(TokensError::Unknown(name.into()));
    }
    tokens.save(path).map_err(io_error(path))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> TokensError {
    move |error| TokensError::Io {
        path: path.into(),
        error,
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

fn parse(line: &str) -> Option<Token> {
    let mut words = line.split_ascii_whitespace();
    let token = Token {
        name: words.next().filter(|name| is_name(name))?.into(),
        hash: parse_hash(words.next()?)?,
        role: match words.next()? {
            "user" => Role::User,
            "admin" => Role::Admin,
            _ => return None,
        },
        created: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(token)
}

fn parse_hash(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_stores_hashes_and_preserves_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let secret = add(&path, "phone", Role::User).unwrap();
        assert!(secret.starts_with(PREFIX) && secret.len() == PREFIX.len() + 43);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let boss = add(&path, "the-boss", Role::Admin).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&secret) && !text.contains(&boss));

        let tokens = Tokens::load(&path).unwrap();
        assert_eq!(&*tokens.verify(secret.as_bytes()).unwrap().name, "phone");
        assert_eq!(tokens.verify(boss.as_bytes()).unwrap().role, Role::Admin);
        assert_eq!(tokens.verify(b"phone"), None);

        assert!(matches!(
            add(&path, "phone", Role::User),
            Err(TokensError::Taken(_))
        ));
        for name in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(
                matches!(add(&path, name, Role::User), Err(TokensError::Name(_))),
                "{name}"
            );
        }
        remove(&path, "phone").unwrap();
        assert!(matches!(
            remove(&path, "phone"),
            Err(TokensError::Unknown(_))
        ));
        assert_eq!(Tokens::load(&path).unwrap().verify(secret.as_bytes()), None);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let hash = "0".repeat(64);
        for line in [
            "phone".to_owned(),
            format!("phone {hash} king 2026-01-01T00:00:00Z"),
            format!("phone {}x user 2026-01-01T00:00:00Z", &hash[1..]),
            format!("phone {hash} user 2026-01-01T00:00:00Z more"),
            format!("phone {hash} user yesterday"),
        ] {
            std::fs::write(&path, format!("# tokens\n\n{line}\n")).unwrap();
            let error = Tokens::load(&path).unwrap_err();
            assert!(
                matches!(error, TokensError::Syntax { line: 3, .. }),
                "{line}: {error}"
            );
        }
    }
}
