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

fn anyone(network: &str) -> Caller {
    Caller::Anyone(network.parse().unwrap())
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
    let anyone = || Ok(anyone(LOCAL));
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
            assert!(matches!(
                admit(&access, local, any_key),
                Ok(Caller::Anyone(network)) if network.is_loopback() || local == "::1"
            ));
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
        Ok(anyone(LOCAL)),
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
        let access = access(Mode::Tokens, file.clone());
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
    assert_eq!(admit(&access, REMOTE, None), Ok(anyone(REMOTE)));
    assert_eq!(
        admit(&access, "::ffff:192.168.3.4", None),
        Ok(anyone("192.168.3.4"))
    );
    assert_eq!(admit(&access, "fd00::7", None), Ok(anyone("fd00::")));
    assert!(matches!(
        admit(&access, "10.0.0.1", None),
        Err(Denied::Network(_))
    ));
    assert!(matches!(
        admit(&access, LOCAL, None),
        Err(Denied::Network(_))
    ));
    let any_key = Some("Bearer any");
    assert_eq!(admit(&access, REMOTE, any_key), Ok(anyone(REMOTE)));
    tokens::add(&file, "phone", Role::User).unwrap();
    access.reload().unwrap();
    assert_eq!(admit(&access, REMOTE, any_key), Err(Denied::WrongToken));
    assert_eq!(admit(&access, REMOTE, None), Ok(anyone(REMOTE)));
    let proxied = access.admit(from(REMOTE, Way::Proxied), None);
    assert_eq!(proxied, Ok(anyone(REMOTE)));
    let hidden = access.admit(from(REMOTE, Way::Hidden), None);
    assert_eq!(hidden, Err(Denied::Hidden(REMOTE.parse().unwrap())));
}

#[test]
fn a_token_may_access_what_it_owns() {
    let caller = Caller::Token("phone".into());
    assert!(caller.may_use(Some("phone")));
    assert!(!caller.may_use(Some("recorder")) && !caller.may_use(None));
    assert!(anyone(LOCAL).may_use(Some("recorder")));
}
