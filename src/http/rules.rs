//! What every request must keep to, whatever it is about. HTTP/1.0 has none of
//! these rules but the first two.

use hyper::header::{EXPECT, HOST, HeaderMap};
use hyper::{Request, Version};

use super::api_error::ApiError;
use super::head;

/// Longest address, with its query. A much longer one makes the whole head too
/// long, which is 431.
const URI_MAX_BYTES: usize = 8 << 10;

/// Says what is wrong, if anything.
pub fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    head::check(request)?;
    let target = request.uri().path_and_query();
    // RFC 9112, section 3.
    if target.is_some_and(|target| target.as_str().len() > URI_MAX_BYTES) {
        return Err(ApiError::UriTooLong(URI_MAX_BYTES));
    }
    if request.version() == Version::HTTP_10 {
        return Ok(());
    }
    // RFC 9112, section 3.2.
    if request.headers().get_all(HOST).iter().count() != 1 {
        return Err(ApiError::Host);
    }
    // RFC 9110, section 10.1.1. Ignoring others would be allowed too; but who
    // expects something should not believe that it happens.
    match has_unknown_expectation(request.headers()) {
        true => Err(ApiError::Expectation),
        false => Ok(()),
    }
}

/// Whether the client asks for consent before it sends the body. HTTP/1.0
/// knows nothing of that.
pub fn waits_for_consent<B>(request: &Request<B>) -> bool {
    request.version() != Version::HTTP_10 && request.headers().contains_key(EXPECT)
}

fn has_unknown_expectation(headers: &HeaderMap) -> bool {
    let mut expectations = headers.get_all(EXPECT).iter();
    expectations.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(version: Version, target: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        check(&request).err().map(|error| error.to_string())
    }

    #[test]
    fn requests_that_break_a_rule_are_told_which() {
        const HOST: (&str, &str) = ("Host", "box");
        let longest = format!("/{}", "a".repeat(URI_MAX_BYTES - 1));
        let long = format!("{longest}a");
        for (target, headers, wrong) in [
            ("/", &[HOST][..], None),
            (&longest, &[HOST], None),
            (&long, &[HOST], Some("too long")),
            ("/", &[], Some("Host")),
            ("/", &[HOST, HOST], Some("Host")),
            ("/", &[HOST, ("Expect", "100-Continue")], None),
            ("/", &[HOST, ("Expect", "")], Some("100-continue")),
            ("/", &[HOST, ("Expect", "200-ok")], Some("100-continue")),
            (
                "/",
                &[HOST, ("Expect", "100-continue"), ("Expect", "200-ok")],
                Some("100-continue"),
            ),
        ] {
            let told = judged(Version::HTTP_11, target, headers);
            let is_right = match (&told, wrong) {
                (None, None) => true,
                (Some(told), Some(wrong)) => told.contains(wrong),
                _ => false,
            };
            assert!(is_right, "{headers:?}: {told:?}");
        }
        let old = judged(Version::HTTP_10, "/", &[("Expect", "200-ok")]);
        assert_eq!(old, None);
        assert!(judged(Version::HTTP_10, &long, &[]).is_some());
    }
}
