//! Authentication and ownership.
//!
//! In mode `tokens` a request carries a bearer token (RFC 6750); uploads and
//! tasks are accessible to the token that created them and to admin tokens.
//! While no token exists, only requests from this machine are accepted. In mode
//! `open` all requests from the configured networks are accepted and may access
//! everything. A request that needs no token must be for a known host and come
//! from no foreign page: any page on the web can make a browser send it.
//!
//! What was begun with a token ends when the token is removed, see [`Grant`].

mod caller;
mod current;
mod denied;
mod failures;
mod grant;
mod mode;
mod tickets;
pub mod tokens;
mod tokens_file;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use uuid::Uuid;

pub use caller::{Caller, Client, Holder, Host, Page, Way};
pub use denied::Denied;
pub use failures::network_of;
pub use grant::{Grant, Revoked, Step};
pub use mode::Mode;
pub use tickets::{Ticket, TooManyTickets};

use current::Current;
use failures::Failures;
use tickets::Tickets;
use tokens::{Role, TokensError};
use tokens_file::TokensFile;

/// Authenticates requests.
#[derive(Debug)]
pub struct Access {
    mode: Mode,
    file: TokensFile,
    current: RwLock<Arc<Current>>,
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
        let current = Current::of(file.load()?, &Current::default(), &mode);
        Ok(Access {
            mode,
            file,
            current: RwLock::new(Arc::new(current)),
            failures: Failures::default(),
            tickets: Tickets::default(),
        })
    }

    /// Records in the state directory whether there are tokens. Blocks on the disk.
    pub fn remember(&self) -> io::Result<()> {
        self.file.remember(self.current().loaded())
    }

    /// Reads the tokens file again and returns the number of tokens. After an
    /// error the previous tokens stay valid; without the file none is.
    ///
    /// Revokes the grants of tokens that are gone, and that of anonymous access
    /// once there are tokens. When it returns, nothing more is begun or made with
    /// them. Blocks on the disk, also until others have written what they had
    /// begun.
    pub fn reload(&self) -> Result<usize, TokensError> {
        let loaded = self.file.load()?;
        let count = loaded.tokens.len();
        let mut revoked = Vec::new();
        {
            let current = self.current.write();
            let mut current = current.unwrap_or_else(PoisonError::into_inner);
            let next = Current::of(loaded, &current, &self.mode);
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
            Caller::Anyone(_) => self.current().anonymous().clone(),
            Caller::Token(holder) | Caller::Admin(holder) => holder.grant().clone(),
        }
    }

    /// Whether the tokens file is lost and a token is needed.
    pub fn refuses_all(&self) -> bool {
        self.current().is_lost() && self.mode == Mode::Tokens
    }

    /// A warning to log at start-up and after a reload, if one is called for.
    pub fn warning(&self) -> Option<String> {
        let current = self.current();
        let file = self.file.path.display();
        match &self.mode {
            Mode::Open { networks } => {
                let networks: Vec<String> = networks.iter().map(IpNet::to_string).collect();
                Some(format!(
                    "auth.mode is open: every client in {} can read and delete everything",
                    networks.join(", ")
                ))
            }
            Mode::Tokens if current.is_lost() => Some(format!(
                "the tokens file {file} is missing, but there have been access tokens: all requests are refused; \
                 restore the file or create a token with `scribed tokens add NAME`, then run `systemctl reload \
                 scribed`; an empty file means that no token is needed on this machine"
            )),
            Mode::Tokens if current.tokens().is_empty() => Some(format!(
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
        let current = self.current();
        let tokens = current.tokens();
        if self.refuses_all() {
            return Err(Denied::Lost);
        }
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

/// Admits a request that needs no token.
fn without_token(client: Client) -> Result<Caller, Denied> {
    match (client.host, client.page) {
        (Host::Unknown, _) => Err(Denied::Host),
        (_, Page::Foreign) => Err(Denied::Page),
        (Host::Loopback | Host::Known, Page::Allowed) => {
            Ok(Caller::Anyone(network_of(client.address.to_canonical())))
        }
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
mod tests;
