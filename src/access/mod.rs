//! Authentication and ownership.
//!
//! In mode `tokens` a request carries a bearer token (RFC 6750); uploads and
//! tasks are accessible to the token that created them and to admin tokens.
//! While no token exists, only requests from this machine are accepted. In mode
//! `open` all requests from the configured networks are accepted and may access
//! everything. A request that needs no token must be for a known host and come
//! from no foreign page: any page on the web can make a browser send it.

mod caller;
mod denied;
mod failures;
mod tickets;
pub mod tokens;
mod tokens_file;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::sync::watch;
use uuid::Uuid;

pub use caller::{Caller, Client, Host, Page, Way};
pub use denied::Denied;
pub use failures::network_of;
pub use tickets::{Ticket, TooManyTickets};

use failures::Failures;
use tickets::Tickets;
use tokens::{Role, TokensError};
use tokens_file::{Loaded, TokensFile};

/// How requests are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// By access token.
    Tokens,
    /// By client address only.
    Open {
        /// The allowed networks, at least one.
        networks: Vec<IpNet>,
    },
}

/// Authenticates requests.
#[derive(Debug)]
pub struct Access {
    mode: Mode,
    file: TokensFile,
    loaded: RwLock<Arc<Loaded>>,
    /// Changes whenever the tokens have been reloaded.
    reloads: watch::Sender<()>,
    failures: Failures,
    tickets: Tickets,
}

impl Access {
    /// Reads the tokens file. A missing file is an empty one, unless the file
    /// `record` in the state directory says that there have been tokens: then all
    /// requests are refused.
    pub fn new(mode: Mode, tokens_file: PathBuf, record: PathBuf) -> Result<Access, TokensError> {
        let file = TokensFile {
            path: tokens_file,
            record,
        };
        Ok(Access {
            mode,
            loaded: RwLock::new(Arc::new(file.load()?)),
            file,
            reloads: watch::Sender::new(()),
            failures: Failures::default(),
            tickets: Tickets::default(),
        })
    }

    /// Records in the state directory whether there are tokens. Blocks on the disk.
    pub fn remember(&self) -> io::Result<()> {
        self.file.remember(&self.loaded())
    }

    /// Reads the tokens file again and returns the number of tokens. After an
    /// error the previous tokens stay valid; without the file none is. Blocks on the
    /// disk.
    pub fn reload(&self) -> Result<usize, TokensError> {
        let loaded = Arc::new(self.file.load()?);
        let count = loaded.tokens.len();
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        self.reloads.send_replace(());
        Ok(count)
    }

    /// Changes when a long-lived connection should check
    /// [`Access::still_admits`] again.
    pub fn reloads(&self) -> watch::Receiver<()> {
        self.reloads.subscribe()
    }

    /// Whether a caller that was authenticated before would still be.
    pub fn still_admits(&self, caller: &Caller) -> bool {
        let loaded = self.loaded();
        let Loaded { tokens, is_lost } = &*loaded;
        let (name, role) = match caller {
            Caller::Anyone => {
                return matches!(self.mode, Mode::Open { .. }) || tokens.is_empty() && !is_lost;
            }
            Caller::Token(name) => (name, Role::User),
            Caller::Admin(name) => (name, Role::Admin),
        };
        tokens
            .iter()
            .any(|token| token.name == *name && token.role == role)
    }

    /// Whether the tokens file is lost and a token is needed.
    pub fn refuses_all(&self) -> bool {
        self.loaded().is_lost && self.mode == Mode::Tokens
    }

    /// A warning to log at start-up and after a reload, if one is called for.
    pub fn warning(&self) -> Option<String> {
        let loaded = self.loaded();
        let Loaded { tokens, is_lost } = &*loaded;
        let file = self.file.path.display();
        match &self.mode {
            Mode::Open { networks } => {
                let networks: Vec<String> = networks.iter().map(IpNet::to_string).collect();
                Some(format!(
                    "auth.mode is open: every client in {} can read and delete everything",
                    networks.join(", ")
                ))
            }
            Mode::Tokens if *is_lost => Some(format!(
                "the tokens file {file} is missing, but there have been access tokens: all requests are refused; \
                 restore the file or create a token with `scribed tokens add NAME`, then run `systemctl reload \
                 scribed`; an empty file means that no token is needed on this machine"
            )),
            Mode::Tokens if tokens.is_empty() => Some(format!(
                "no access tokens in {file}: only requests from this machine are accepted; create one with \
                 `scribed tokens add NAME`, then run `systemctl reload scribed`"
            )),
            Mode::Tokens => None,
        }
    }

    /// Authenticates a request by the client's address and the value of its
    /// `Authorization` header.
    pub fn admit(&self, client: Client, authorization: Option<&[u8]>) -> Result<Caller, Denied> {
        let address = client.address.to_canonical();
        if let Mode::Open { networks } = &self.mode {
            if client.way == Way::Hidden {
                return Err(Denied::Hidden(address));
            }
            if !networks.iter().any(|network| network.contains(&address)) {
                return Err(Denied::Network(address));
            }
        }
        let loaded = self.loaded();
        let tokens = &loaded.tokens;
        if self.refuses_all() {
            return Err(Denied::Lost);
        }
        match authorization {
            // While no tokens exist the header is ignored: some clients always
            // send a key.
            Some(header) if !tokens.is_empty() => {
                let token = bearer(header).and_then(|token| tokens.verify(token));
                token
                    .map(|token| match token.role {
                        Role::User => Caller::Token(Arc::clone(&token.name)),
                        Role::Admin => Caller::Admin(Arc::clone(&token.name)),
                    })
                    .ok_or_else(|| self.wrong(address))
            }
            _ if matches!(self.mode, Mode::Open { .. }) => without_token(client),
            // Not for proxied requests, whatever address the proxy sends: a
            // misconfigured proxy on this machine would make all clients look
            // local.
            _ if tokens.is_empty() && address.is_loopback() && client.way == Way::Direct => {
                match without_token(client) {
                    // A proxy that adds no header: a client on this machine has
                    // no reason to use another address.
                    Ok(_) if client.host != Host::Loopback => Err(Denied::NotSetUp),
                    admitted => admitted,
                }
            }
            _ if tokens.is_empty() => Err(Denied::NotSetUp),
            _ => Err(Denied::NoToken),
        }
    }

    /// Issues a ticket with which this caller can follow one task over a
    /// connection that cannot send an `Authorization` header.
    pub fn ticket(&self, caller: &Caller, task: Uuid) -> Result<Ticket, TooManyTickets> {
        self.tickets.issue(caller.clone(), task, Instant::now())
    }

    /// Authenticates a request that has a ticket for this task instead of a
    /// token. The ticket is used up even if access is denied.
    pub fn admit_with_ticket(
        &self,
        client: Client,
        ticket: &str,
        task: Option<Uuid>,
    ) -> Result<Caller, Denied> {
        let caller = self.tickets.redeem(ticket, task, Instant::now());
        match self.admit(client, None) {
            Ok(_) | Err(Denied::NoToken) => caller.ok_or(Denied::WrongTicket),
            // The client's address is checked all the same.
            Err(denied) => Err(denied),
        }
    }

    fn wrong(&self, address: IpAddr) -> Denied {
        match self.failures.count(address, Instant::now()) {
            None => Denied::WrongToken,
            Some(wait) => Denied::TooManyFailures {
                retry_after_s: wait.max(Duration::from_secs(1)).as_secs(),
            },
        }
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Admits a request that needs no token.
fn without_token(client: Client) -> Result<Caller, Denied> {
    match (client.host, client.page) {
        (Host::Unknown, _) => Err(Denied::Host),
        (_, Page::Foreign) => Err(Denied::Page),
        (Host::Loopback | Host::Known, Page::Allowed) => Ok(Caller::Anyone),
    }
}

/// The token of an `Authorization` header; the scheme's case is free
/// (RFC 9110, section 11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    (scheme.eq_ignore_ascii_case(SCHEME)).then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1";
    const REMOTE: &str = "192.168.1.7";

    fn access(mode: Mode, file: PathBuf) -> Access {
        let record = file.with_file_name("had-tokens");
        Access::new(mode, file, record).unwrap()
    }

    fn admit(access: &Access, client: &str, authorization: Option<&str>) -> Result<Caller, Denied> {
        let client = from(client, Way::Direct);
        access.admit(client, authorization.map(str::as_bytes))
    }

    fn from(address: &str, way: Way) -> Client {
        Client {
            address: address.parse().unwrap(),
            way,
            host: Host::Loopback,
            page: Page::Allowed,
        }
    }

    #[test]
    fn without_a_token_host_and_page_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let closed = access(Mode::Tokens, file.clone());
        let open = access(Mode::Open { networks }, file.clone());
        let anyone = || Ok(Caller::Anyone);
        let cases = [
            (Host::Loopback, Page::Allowed, anyone(), anyone()),
            (Host::Known, Page::Allowed, Err(Denied::NotSetUp), anyone()),
            (
                Host::Unknown,
                Page::Allowed,
                Err(Denied::Host),
                Err(Denied::Host),
            ),
            (
                Host::Loopback,
                Page::Foreign,
                Err(Denied::Page),
                Err(Denied::Page),
            ),
            (
                Host::Known,
                Page::Foreign,
                Err(Denied::Page),
                Err(Denied::Page),
            ),
            (
                Host::Unknown,
                Page::Foreign,
                Err(Denied::Host),
                Err(Denied::Host),
            ),
        ];
        let client = |host, page| Client {
            host,
            page,
            ..from(LOCAL, Way::Direct)
        };
        for (host, page, without_tokens, in_mode_open) in cases.clone() {
            for key in [None, Some(&b"Bearer any"[..])] {
                let client = client(host, page);
                assert_eq!(closed.admit(client, key), without_tokens, "{client:?}");
                assert_eq!(open.admit(client, key), in_mode_open, "{client:?}");
            }
        }
        // A token is not sent by a browser on its own.
        let token = tokens::add(&file, "phone", Role::User).unwrap();
        closed.reload().unwrap();
        open.reload().unwrap();
        let header = format!("Bearer {token}");
        for (host, page, _, in_mode_open) in cases {
            let client = client(host, page);
            for access in [&closed, &open] {
                let admitted = access.admit(client, Some(header.as_bytes()));
                assert_eq!(admitted, Ok(Caller::Token("phone".into())), "{client:?}");
            }
            assert_eq!(closed.admit(client, None), Err(Denied::NoToken));
            assert_eq!(open.admit(client, None), in_mode_open, "{client:?}");
        }
    }

    #[test]
    fn without_tokens_only_local_requests_are_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        let access = access(Mode::Tokens, file.clone());
        assert!(access.warning().is_some());
        for local in [LOCAL, "::1", "::ffff:127.0.0.1"] {
            for any_key in [None, Some("Bearer any")] {
                assert_eq!(admit(&access, local, any_key), Ok(Caller::Anyone));
            }
        }
        for any_key in [None, Some("Bearer any")] {
            assert_eq!(admit(&access, REMOTE, any_key), Err(Denied::NotSetUp));
        }
        for way in [Way::Proxied, Way::Hidden] {
            let refused = access.admit(from(LOCAL, way), None);
            assert_eq!(refused, Err(Denied::NotSetUp), "through a proxy");
        }

        let token = tokens::add(&file, "phone", Role::User).unwrap();
        assert_eq!(
            admit(&access, LOCAL, None),
            Ok(Caller::Anyone),
            "not reloaded yet"
        );
        assert_eq!(access.reload().unwrap(), 1);
        assert_eq!(access.warning(), None);
        assert_eq!(admit(&access, LOCAL, None), Err(Denied::NoToken));
        assert!(!access.still_admits(&Caller::Anyone));
        let header = format!("bearer {token}");
        let phone = Caller::Token("phone".into());
        assert_eq!(admit(&access, REMOTE, Some(&header)), Ok(phone.clone()));
        assert!(access.still_admits(&phone));
        assert!(!access.still_admits(&Caller::Admin("phone".into())));
        let reloads = access.reloads();
        tokens::remove(&file, "phone").unwrap();
        assert!(access.still_admits(&phone), "not reloaded yet");
        access.reload().unwrap();
        assert!(reloads.has_changed().unwrap() && !access.still_admits(&phone));
    }

    #[test]
    fn invalid_tokens_are_rejected_and_rate_limited() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        let token = tokens::add(&file, "boss", Role::Admin).unwrap();
        let access = access(Mode::Tokens, file);
        let almost = format!("Bearer {}x", &token[..token.len() - 1]);
        for wrong in ["", "Bearer", "Bearer ", "Basic Ym9zczo=", &token, &almost] {
            assert_eq!(
                admit(&access, REMOTE, Some(wrong)),
                Err(Denied::WrongToken),
                "{wrong}"
            );
        }
        let refused = (0..100)
            .map(|_| admit(&access, REMOTE, Some("Bearer x")))
            .find(|answer| {
                matches!(
                    answer,
                    Err(Denied::TooManyFailures {
                        retry_after_s: 1..=60
                    })
                )
            });
        assert!(refused.is_some());
        let header = format!("Bearer {token}");
        let admin = admit(&access, REMOTE, Some(&header)).unwrap();
        assert_eq!(
            admin,
            Caller::Admin("boss".into()),
            "the valid token still works"
        );
        assert!(admin.may_use(Some("phone")) && admin.may_use(None));
    }

    #[test]
    fn mode_open_accepts_the_configured_networks() {
        let networks = vec![
            "192.168.0.0/16".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        let access = access(Mode::Open { networks }, file.clone());
        assert!(
            access
                .warning()
                .unwrap()
                .contains("192.168.0.0/16, fd00::/8")
        );
        assert_eq!(admit(&access, REMOTE, None), Ok(Caller::Anyone));
        assert_eq!(
            admit(&access, "::ffff:192.168.3.4", None),
            Ok(Caller::Anyone)
        );
        assert_eq!(admit(&access, "fd00::7", None), Ok(Caller::Anyone));
        assert!(matches!(
            admit(&access, "10.0.0.1", None),
            Err(Denied::Network(_))
        ));
        assert!(matches!(
            admit(&access, LOCAL, None),
            Err(Denied::Network(_))
        ));
        let any_key = Some("Bearer any");
        assert_eq!(admit(&access, REMOTE, any_key), Ok(Caller::Anyone));
        tokens::add(&file, "phone", Role::User).unwrap();
        access.reload().unwrap();
        assert_eq!(admit(&access, REMOTE, any_key), Err(Denied::WrongToken));
        assert_eq!(admit(&access, REMOTE, None), Ok(Caller::Anyone));
        let proxied = access.admit(from(REMOTE, Way::Proxied), None);
        assert_eq!(proxied, Ok(Caller::Anyone));
        let hidden = access.admit(from(REMOTE, Way::Hidden), None);
        assert_eq!(hidden, Err(Denied::Hidden(REMOTE.parse().unwrap())));
    }

    #[test]
    fn a_token_may_access_what_it_owns() {
        let caller = Caller::Token("phone".into());
        assert!(caller.may_use(Some("phone")));
        assert!(!caller.may_use(Some("recorder")) && !caller.may_use(None));
        assert!(Caller::Anyone.may_use(Some("recorder")));
    }
}
