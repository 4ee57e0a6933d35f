//! Authentication and ownership.
//!
//! In mode `tokens` a request carries a bearer token (RFC 6750); uploads and
//! tasks are accessible to the token that created them and to admin tokens.
//! While no token exists, only requests from this machine are accepted. In mode
//! `open` all requests from the configured networks are accepted and may access
//! everything.
//!
//! What was begun with a token ends when the token is removed, see [`Grant`].

mod caller;
mod current;
mod failures;
mod grant;
mod tickets;
pub mod tokens;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use uuid::Uuid;

pub use caller::{Caller, Client, Holder, Way};
pub use failures::network_of;
pub use grant::{Grant, Revoked, Step};
pub use tickets::{Ticket, TooManyTickets};

use current::Current;
use failures::Failures;
use tickets::Tickets;
use tokens::{Role, Tokens, TokensError};

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

impl Mode {
    fn is_open(&self) -> bool {
        matches!(self, Mode::Open { .. })
    }
}

/// Why access is denied. The message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A token is required.
    #[error(
        "an access token is required: send the header `Authorization: Bearer TOKEN`; create a token with `scribed tokens add NAME` on the server"
    )]
    NoToken,
    /// The token is invalid.
    #[error(
        "this access token is not valid; create a new one with `scribed tokens add NAME` on the server"
    )]
    WrongToken,
    /// The ticket is unknown, used or expired, or is for another task.
    #[error(
        "this ticket is not valid: a ticket can be used once, for one task, within {} seconds; request a new one",
        tickets::LIFETIME.as_secs()
    )]
    WrongTicket,
    /// Too many invalid tokens from this network.
    #[error(
        "too many invalid access tokens from your address; try again in {retry_after_s} seconds"
    )]
    TooManyFailures {
        /// Seconds until the next attempt is accepted.
        retry_after_s: u64,
    },
    /// No token exists, and the client is not on this machine.
    #[error(
        "no access tokens exist yet, so only requests from the server itself are accepted; create one there: `scribed tokens add NAME`, then `systemctl reload scribed`"
    )]
    NotSetUp,
    /// Mode `open`, and the client is in none of the networks.
    #[error(
        "your address {0} is in none of the networks this server is open to (`networks` in its configuration)"
    )]
    Network(IpAddr),
    /// Mode `open`, and the address of the client is unknown.
    #[error(
        "your address is unknown: the proxy {0} in front of this server must send it in `Forwarded` or `X-Forwarded-For`, and remove the other header"
    )]
    Hidden(IpAddr),
}

/// Authenticates requests.
#[derive(Debug)]
pub struct Access {
    mode: Mode,
    tokens_file: PathBuf,
    current: RwLock<Arc<Current>>,
    failures: Failures,
    tickets: Tickets,
}

impl Access {
    /// Reads the tokens file; a missing file is an empty one.
    pub fn new(mode: Mode, tokens_file: PathBuf) -> Result<Access, TokensError> {
        let tokens = Tokens::load(&tokens_file)?;
        let current = Current::of(tokens, &Current::default(), mode.is_open());
        Ok(Access {
            mode,
            tokens_file,
            current: RwLock::new(Arc::new(current)),
            failures: Failures::default(),
            tickets: Tickets::default(),
        })
    }

    /// Reads the tokens file again and returns the number of tokens. After an
    /// error the previous tokens stay valid.
    ///
    /// Revokes the grants of tokens that are gone, and that of anonymous access
    /// once there are tokens. When it returns, nothing more is begun or made with
    /// them. Blocks on the disk, also until others have written what they had
    /// begun.
    pub fn reload(&self) -> Result<usize, TokensError> {
        let tokens = Tokens::load(&self.tokens_file)?;
        let count = tokens.len();
        let mut revoked = Vec::new();
        {
            let current = self.current.write();
            let mut current = current.unwrap_or_else(PoisonError::into_inner);
            let next = Current::of(tokens, &current, self.mode.is_open());
            for grant in current.all() {
                if !next.all().any(|kept| kept == grant) {
                    grant.revoke();
                    revoked.push(grant.clone());
                }
            }
            *current = Arc::new(next);
        }
        for grant in revoked {
            grant.wait_for_steps();
        }
        Ok(count)
    }

    /// What this caller may do until it is revoked.
    pub fn grant(&self, caller: &Caller) -> Grant {
        match caller {
            Caller::Anyone => self.current().anonymous.clone(),
            Caller::Token(holder) | Caller::Admin(holder) => holder.grant().clone(),
        }
    }

    /// A warning to log at start-up, if the configuration calls for one.
    pub fn warning(&self) -> Option<String> {
        match &self.mode {
            Mode::Open { networks } => {
                let networks: Vec<String> = networks.iter().map(IpNet::to_string).collect();
                Some(format!(
                    "auth.mode is open: every client in {} can read and delete everything",
                    networks.join(", ")
                ))
            }
            Mode::Tokens if self.current().tokens.is_empty() => Some(format!(
                "no access tokens in {}: only requests from this machine are accepted; create one with \
                 `scribed tokens add NAME`, then run `systemctl reload scribed`",
                self.tokens_file.display()
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
        let current = self.current();
        let tokens = &current.tokens;
        match authorization {
            // While no tokens exist the header is ignored: some clients always
            // send a key.
            Some(header) if !tokens.is_empty() => {
                let token = bearer(header).and_then(|token| tokens.verify(token));
                let admitted = token.and_then(|token| {
                    let holder = Holder::new(Arc::clone(&token.name), current.grant(token)?);
                    Some(match token.role {
                        Role::User => Caller::Token(holder),
                        Role::Admin => Caller::Admin(holder),
                    })
                });
                admitted.ok_or_else(|| self.wrong(address))
            }
            _ if self.mode.is_open() => Ok(Caller::Anyone),
            // Not for proxied requests, whatever address the proxy sends: a
            // misconfigured proxy on this machine would make all clients look
            // local.
            _ if tokens.is_empty() && address.is_loopback() && client.way == Way::Direct => {
                Ok(Caller::Anyone)
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
        let caller = caller.filter(|caller| !self.grant(caller).is_revoked());
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

    fn current(&self) -> Arc<Current> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
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

    fn admit(access: &Access, client: &str, authorization: Option<&str>) -> Result<Caller, Denied> {
        let client = from(client, Way::Direct);
        access.admit(client, authorization.map(str::as_bytes))
    }

    fn from(address: &str, way: Way) -> Client {
        let address = address.parse().unwrap();
        Client { address, way }
    }

    #[test]
    fn without_tokens_only_local_requests_are_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        let access = Access::new(Mode::Tokens, file.clone()).unwrap();
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
        let header = format!("bearer {token}");
        let phone = Caller::Token("phone".into());
        assert_eq!(admit(&access, REMOTE, Some(&header)), Ok(phone));
    }

    /// A mode `tokens` with a file of its own, and the callers of new tokens.
    struct Tokened {
        _dir: tempfile::TempDir,
        file: PathBuf,
        access: Access,
    }

    impl Tokened {
        fn new() -> Tokened {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("tokens");
            let access = Access::new(Mode::Tokens, file.clone()).unwrap();
            Tokened {
                _dir: dir,
                file,
                access,
            }
        }

        fn add(&self, name: &str) -> String {
            tokens::add(&self.file, name, Role::User).unwrap()
        }

        fn grant(&self, token: &str) -> Grant {
            let caller = admit(&self.access, REMOTE, Some(&format!("Bearer {token}"))).unwrap();
            self.access.grant(&caller)
        }
    }

    #[test]
    fn a_grant_ends_with_its_token_even_if_another_one_has_its_name() {
        let all = Tokened::new();
        let [phone, recorder] = ["phone", "recorder"].map(|name| all.add(name));
        all.access.reload().unwrap();
        let [of_phone, of_recorder] = [&phone, &recorder].map(|token| all.grant(token));
        all.access.reload().unwrap();
        assert!(!of_phone.is_revoked(), "nothing changed");

        tokens::remove(&all.file, "phone").unwrap();
        let stolen = phone;
        let phone = all.add("phone");
        assert!(!of_phone.is_revoked(), "not reloaded yet");
        all.access.reload().unwrap();
        assert!(of_phone.is_revoked() && of_phone.step().is_err());
        assert!(!of_recorder.is_revoked());
        let old = format!("Bearer {stolen}");
        assert_eq!(
            admit(&all.access, REMOTE, Some(&old)),
            Err(Denied::WrongToken)
        );
        let of_phone = all.grant(&phone);
        assert!(of_phone.step().is_ok());

        // Another role is another grant.
        let text = std::fs::read_to_string(&all.file).unwrap();
        std::fs::write(&all.file, text.replace(" user ", " admin ")).unwrap();
        all.access.reload().unwrap();
        assert!(of_phone.is_revoked() && of_recorder.is_revoked());
    }

    #[test]
    fn anonymous_access_ends_with_the_first_token() {
        let all = Tokened::new();
        let caller = admit(&all.access, LOCAL, None).unwrap();
        let anonymous = all.access.grant(&caller);
        assert!(!anonymous.is_revoked());
        let phone = all.add("phone");
        all.access.reload().unwrap();
        assert!(anonymous.is_revoked());
        assert!(all.access.grant(&caller).is_revoked(), "it came too late");
        let of_phone = all.grant(&phone);
        tokens::remove(&all.file, "phone").unwrap();
        all.access.reload().unwrap();
        assert!(of_phone.is_revoked());
        assert!(!all.access.grant(&caller).is_revoked(), "allowed again");
        assert!(anonymous.is_revoked(), "and yet");
    }

    #[test]
    fn a_ticket_ends_with_the_token_it_was_issued_to() {
        let all = Tokened::new();
        let (task, client) = (Uuid::new_v4(), from(REMOTE, Way::Direct));
        let phone = all.add("phone");
        all.access.reload().unwrap();
        let caller = admit(&all.access, REMOTE, Some(&format!("Bearer {phone}"))).unwrap();
        let issue = || all.access.ticket(&caller, task).unwrap().secret;
        let redeem = |ticket: &str| all.access.admit_with_ticket(client, ticket, Some(task));
        assert_eq!(redeem(&issue()), Ok(caller.clone()));
        let ticket = issue();
        tokens::remove(&all.file, "phone").unwrap();
        all.add("phone");
        all.access.reload().unwrap();
        assert_eq!(redeem(&ticket), Err(Denied::WrongTicket));
    }

    #[test]
    fn invalid_tokens_are_rejected_and_rate_limited() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        let token = tokens::add(&file, "boss", Role::Admin).unwrap();
        let access = Access::new(Mode::Tokens, file).unwrap();
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
        let access = Access::new(Mode::Open { networks }, file.clone()).unwrap();
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
