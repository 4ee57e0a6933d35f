//! The query of an address.

use std::borrow::Cow;

/// A parameter of a query, decoded. Of a parameter that is there twice the
/// first one counts.
pub fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
