//! The tokens file. One token per line, of which only a hash is kept:
//!
//! ```text
//! NAME SHA256-IN-HEX user|admin CREATED
//! ```
//!
//! Lines that are empty or begin with `#` are passed over. A token has 256
//! random bits, so that a fast hash is as good as a slow one.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// So that a token is known for one wherever it is found.
const PREFIX: &str = "scribed_";
const NAME_MAX_BYTES: usize = 64;

/// What the holder of a token may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What was made with this token.
    User,
    /// Everything.
    Admin,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Given by people; owner of what is made with the token.
    pub name: Arc<str>,
    /// See [`Role`].
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    hash: [u8; 32],
}

/// All tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

/// What is wrong with the file, or with what shall be done to it.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("tokens file {}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line is none of ours.
    #[error("tokens file {}, line {line}: expected NAME SHA256 user|admin CREATED", .path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// A name that cannot be.
    #[error(
        "`{0}` cannot be the name of a token; use up to {NAME_MAX_BYTES} letters, digits, dots, dashes and underscores"
    )]
    Name(String),
    /// A name that is taken.
    #[error("there is a token named `{0}`; remove it first or choose another name")]
    Taken(String),
    /// A name nobody has.
    #[error("there is no token named `{0}`")]
    Unknown(String),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Tokens {
    /// Reads the file; a missing one holds no tokens.
    pub fn load(path: &Path) -> Result<Tokens, TokensError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
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
        Ok(Tokens(tokens.collect::<Result<_, _>>()?))
    }

    /// The token with this secret. Takes the same time whichever it is, and
    /// whether there is one.
    pub fn verify(&self, secret: &[u8]) -> Option<&Token> {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let mut found = u32::MAX;
        for (index, token) in (0..).zip(&self.0) {
            let equal: Choice = hash.ct_eq(&token.hash);
            found = u32::conditional_select(&found, &index, equal);
        }
        self.0.get(found as usize)
    }

    /// In the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the file as a whole. Its owner, group and mode stay; a new one
    /// is readable by the group of its folder, where the daemon's is expected.
    fn save(&self, path: &Path) -> io::Result<()> {
        let dir = path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let model = std::fs::metadata(path);
        let (mode, uid, gid) = match &model {
            Ok(old) => (old.mode() & 0o777, Some(old.uid()), Some(old.gid())),
            Err(_) => (0o640, None, Some(std::fs::metadata(dir)?.gid())),
        };
        let temporary = path.with_added_extension("new");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(
            b"# name, hash of the token, role, time of creation; see scribed tokens --help\n",
        )?;
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
            writeln!(file, "{} {hash} {role} {}", token.name, token.created)?;
        }
        // Only root can give a file away; for anybody else it is theirs already.
        match fchown(&file, uid, gid) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        File::open(dir)?.sync_all()
    }
}

/// Makes a token and returns its secret, which is kept nowhere.
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

/// Takes a token away.
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
    fn the_file_keeps_hashes_and_its_mode() {
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
