//! The tokens file and the record that it once had tokens: a lost file must not
//! open a server that was protected.

use std::io;
use std::path::{Path, PathBuf};

use super::tokens::{Tokens, TokensError};
use crate::store::{remove_durably, replace_durably};

const RECORD: &[u8] =
    b"scribed has had access tokens: without its tokens file it answers no requests.\n";

/// Where the tokens are.
#[derive(Debug)]
pub(super) struct TokensFile {
    /// The tokens file, see [`super::tokens`].
    pub(super) path: PathBuf,
    /// A file in the state directory that exists once there have been tokens.
    pub(super) record: PathBuf,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) tokens: Tokens,
    /// The file is missing, and there have been tokens. An empty file is not lost:
    /// the last token was removed.
    pub(super) is_lost: bool,
}

impl TokensFile {
    /// Reads the file. Blocks on the disk.
    pub(super) fn load(&self) -> Result<Loaded, TokensError> {
        let (tokens, is_missing) = match Tokens::load_existing(&self.path)? {
            Some(tokens) => (tokens, false),
            None => (Tokens::default(), true),
        };
        Ok(Loaded {
            tokens,
            // If it cannot be known, it is safer to ask for tokens.
            is_lost: is_missing && self.record.try_exists().unwrap_or(true),
        })
    }

    /// Brings the record up to date. Blocks on the disk.
    pub(super) fn remember(&self, loaded: &Loaded) -> io::Result<()> {
        let dir = self.record.parent().unwrap_or(Path::new("."));
        let name = self.record.file_name().unwrap_or_default();
        let (name, is_recorded) = (name.to_string_lossy(), self.record.try_exists()?);
        match loaded.tokens.is_empty() && !loaded.is_lost {
            false if !is_recorded => replace_durably(dir, &name, RECORD),
            true if is_recorded => remove_durably(dir, &name).map(|_| ()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::access::tokens::{self, Role};
    use crate::access::{Access, Caller, Client, Denied, Host, Mode, Page, Way};

    use super::*;

    fn access(mode: Mode, file: PathBuf) -> Access {
        let record = file.with_file_name("had-tokens");
        Access::new(mode, file, record).unwrap()
    }

    /// A request from this machine.
    fn admit(access: &Access, authorization: Option<&str>) -> Result<Caller, Denied> {
        let client = Client {
            address: "127.0.0.1".parse().unwrap(),
            way: Way::Direct,
            host: Host::Loopback,
            page: Page::Allowed,
        };
        access.admit(client, authorization.map(str::as_bytes))
    }

    fn anyone() -> Caller {
        Caller::Anyone("127.0.0.1".parse().unwrap())
    }

    #[test]
    fn a_lost_file_opens_nothing_and_an_empty_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        let token = tokens::add(&file, "phone", Role::User).unwrap();
        let header = format!("Bearer {token}");
        let before = access(Mode::Tokens, file.clone());
        before.remember().unwrap();
        let saved = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(before.reload().unwrap(), 0);
        before.remember().unwrap();
        let after = access(Mode::Tokens, file.clone());
        after.remember().unwrap();
        for lost in [&before, &after] {
            assert!(lost.warning().unwrap().contains("is missing"));
            assert!(lost.grant(&anyone()).is_revoked());
            for key in [None, Some(&*header), Some("Bearer x")] {
                assert_eq!(admit(lost, key), Err(Denied::Lost));
            }
        }
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let open = access(Mode::Open { networks }, file.clone());
        assert_eq!(admit(&open, None), Ok(anyone()));

        std::fs::write(&file, saved).unwrap();
        after.reload().unwrap();
        let phone = Ok(Caller::Token("phone".into()));
        assert_eq!(admit(&after, Some(&header)), phone, "restored");
        tokens::remove(&file, "phone").unwrap();
        after.reload().unwrap();
        after.remember().unwrap();
        assert_eq!(admit(&after, None), Ok(anyone()), "removed");
        // From now on a missing file is that of a new installation again.
        std::fs::remove_file(&file).unwrap();
        after.reload().unwrap();
        assert_eq!(admit(&after, None), Ok(anyone()));
        // What cannot be read is an error.
        std::fs::create_dir(&file).unwrap();
        assert!(after.reload().is_err());
        assert!(Access::new(Mode::Tokens, file.clone(), file).is_err());
    }
}
