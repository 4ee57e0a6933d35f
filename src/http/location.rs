//! Where the world reaches this server: what `Location` says.

use hyper::Uri;
use uuid::Uuid;

/// What stands before the paths of this server: nothing, or the address that a
/// proxy has for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Reads one; none where `url` is empty. The error tells what is accepted.
    pub fn parse(url: &str) -> Result<BaseUrl, String> {
        let wrong = |why: &str| {
            Err(format!(
                "`{url}` {why}; write one like https://notes.example or https://notes.example/scribed"
            ))
        };
        if url.is_empty() {
            return Ok(BaseUrl::default());
        }
        // The parser below drops it.
        if url.contains('#') {
            return wrong("has a fragment");
        }
        let Ok(parsed) = url.parse::<Uri>() else {
            return wrong("is no URL");
        };
        if !matches!(parsed.scheme_str(), Some("http" | "https")) {
            return wrong("does not begin with http:// or https://");
        }
        let has_port = |authority: &str| {
            let port = authority.rsplit_once(':').map(|(_, port)| port);
            authority.ends_with(']') || port.is_none_or(|port| port.parse::<u16>().is_ok())
        };
        match parsed.authority() {
            Some(authority) if authority.as_str().contains('@') => wrong("has a user name"),
            Some(authority) if !has_port(authority.as_str()) => wrong("has no valid port"),
            Some(authority) if authority.host().is_empty() => wrong("names no host"),
            None => wrong("names no host"),
            Some(_) if parsed.query().is_some() => wrong("has a query"),
            Some(_) => Ok(BaseUrl(url.trim_end_matches('/').into())),
        }
    }

    /// `Location` of an upload (RFC 9110, section 10.2.2). Without a base it is
    /// relative, and so right behind every proxy that leaves paths as they are.
    pub fn upload(&self, id: Uuid) -> String {
        format!("{}/uploads/files/{id}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_lie_below_the_base() {
        for (url, location) in [
            ("", "/uploads/files/"),
            ("http://box", "http://box/uploads/files/"),
            ("https://box.example/", "https://box.example/uploads/files/"),
            (
                "https://[fd00::1]:8443/a/b/",
                "https://[fd00::1]:8443/a/b/uploads/files/",
            ),
            ("HTTP://box:80", "HTTP://box:80/uploads/files/"),
        ] {
            let base = BaseUrl::parse(url).unwrap();
            let expected = format!("{location}{}", Uuid::nil());
            assert_eq!(base.upload(Uuid::nil()), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_base_is_refused_with_the_reason() {
        for (url, why) in [
            ("box.example", "does not begin with"),
            ("/scribed", "does not begin with"),
            ("ftp://box.example", "does not begin with"),
            ("https://", "is no URL"),
            ("https:///scribed", "is no URL"),
            ("https://:8443", "names no host"),
            ("https://box.example:x", "has no valid port"),
            ("https://box.example:99999", "has no valid port"),
            ("https://me@box.example", "has a user name"),
            ("https://box.example/?a=b", "has a query"),
            ("https://box.example/?", "has a query"),
            ("https://box.example/#a", "has a fragment"),
            ("https://box example", "is no URL"),
            ("https://box.example/a b", "is no URL"),
        ] {
            let error = BaseUrl::parse(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
            assert!(error.contains("write one like"), "{error}");
        }
    }
}
