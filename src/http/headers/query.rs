//! The query of a request target.

use std::borrow::Cow;

/// A parameter of a query, decoded; the first one if it occurs several times.
pub fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
