//! Structured fields (RFC 9651) of one item. A field of
//! another type is ignored.

use std::convert::Infallible;

use hyper::header::{HeaderMap, HeaderName};
use sfv::visitor::{Ignored, ItemVisitor, ParameterVisitor, parameter_visitor_with};
use sfv::{BareItemFromInput, Parser};

/// An Integer that is a number of bytes.
pub fn integer(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    item(headers, name, |item| match item {
        BareItemFromInput::Integer(number) => u64::try_from(number).ok(),
        _ => None,
    })
}

/// A Boolean.
pub fn boolean(headers: &HeaderMap, name: &HeaderName) -> Option<bool> {
    item(headers, name, |item| match item {
        BareItemFromInput::Boolean(answer) => Some(answer),
        _ => None,
    })
}

fn item<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    read: fn(BareItemFromInput<'_>) -> Option<T>,
) -> Option<T> {
    let mut values = headers.get_all(name).iter();
    // Several lines are one list, and that is no item (RFC 9651, section 4.2).
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let parser = Parser::new(value.as_bytes());
    parser.parse_item_with_visitor(Item(read)).ok()?
}

/// Reads the bare item and ignores parameters.
struct Item<T>(fn(BareItemFromInput<'_>) -> Option<T>);

impl<'de, T> ItemVisitor<'de> for Item<T> {
    type Out = Option<T>;
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = Option<T>>, Infallible> {
        let value = (self.0)(item);
        Ok(parameter_visitor_with(Ignored, move |_| Ok(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::headers::names::{UPLOAD_COMPLETE, UPLOAD_OFFSET};

    #[test]
    fn items_are_read_and_others_ignored() {
        let with = |name: HeaderName, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, value.parse().unwrap());
            }
            headers
        };
        for (values, expected) in [
            (&["0"][..], Some(0)),
            (&["100000"], Some(100_000)),
            (&[" 7 "], Some(7)),
            (&["7; hint=1"], Some(7)),
            (&["999999999999999"], Some(999_999_999_999_999)),
            (&["1000000000000000"], None),
            (&["-1"], None),
            (&["1.0"], None),
            (&["\"1\""], None),
            (&["?1"], None),
            (&["1, 2"], None),
            (&["1", "1"], None),
            (&[""], None),
            (&[], None),
        ] {
            let headers = with(UPLOAD_OFFSET, values);
            assert_eq!(integer(&headers, &UPLOAD_OFFSET), expected, "{values:?}");
        }
        for (value, expected) in [
            ("?1", Some(true)),
            ("?0", Some(false)),
            ("?2", None),
            ("1", None),
            ("true", None),
        ] {
            let headers = with(UPLOAD_COMPLETE, &[value]);
            assert_eq!(boolean(&headers, &UPLOAD_COMPLETE), expected, "{value}");
        }
    }
}
