//! Upload-Concat (concatenation extension): `partial`, or `final;` and the
//! URLs of partial uploads, a space between them.

use hyper::Uri;
use hyper::header::HeaderMap;
use uuid::Uuid;

use crate::http::error::upload::ProtocolError;
use crate::http::headers::location::upload_of;
use crate::http::headers::names::UPLOAD_CONCAT;
use crate::store::facts::Concat;

/// The most parts of a final upload.
const PARTS_MAX: usize = 256;

/// Whether a new upload is partial or final.
pub fn concat(headers: &HeaderMap) -> Result<Option<Concat>, ProtocolError> {
    let Some(value) = headers.get(UPLOAD_CONCAT) else {
        return Ok(None);
    };
    let bad = |message: String| ProtocolError::Concat(message);
    let raw = value
        .to_str()
        .map_err(|_| bad("it is not ASCII".into()))?
        .trim();
    let parts = match (raw, raw.strip_prefix("final;")) {
        ("partial", _) => Vec::new(),
        (_, Some(urls)) => urls
            .split_ascii_whitespace()
            .map(|url| part(url).ok_or_else(|| bad(format!("`{url}` is no upload of this server"))))
            .collect::<Result<Vec<Uuid>, _>>()?,
        _ => return Err(bad("write `partial`, or `final;` and URLs".into())),
    };
    match parts.len() {
        0 if raw != "partial" => Err(bad("there are no URLs after `final;`".into())),
        count if count > PARTS_MAX => Err(bad(format!(
            "{count} parts are too many, {PARTS_MAX} can be joined"
        ))),
        _ => Ok(Some(Concat {
            raw: raw.to_owned(),
            parts,
        })),
    }
}

/// The id in the URL of a part, absolute or a path. A proxy may have put a prefix
/// before the path.
fn part(url: &str) -> Option<Uuid> {
    let uri: Uri = url.parse().ok()?;
    let start = uri.path().find("/uploads/files/")?;
    upload_of(&uri.path()[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
    const B: &str = "1aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";

    fn parse(value: &str) -> Result<Option<Concat>, ProtocolError> {
        let mut headers = HeaderMap::new();
        headers.insert(UPLOAD_CONCAT, value.parse().unwrap());
        concat(&headers)
    }

    #[test]
    fn parts_are_named_by_urls_of_any_form() {
        assert!(concat(&HeaderMap::new()).unwrap().is_none());
        let partial = parse("partial").unwrap().unwrap();
        assert_eq!((&*partial.raw, partial.parts.len()), ("partial", 0));
        let raw = format!(
            "final;/uploads/files/{A} http://box:8000/uploads/files/{B}  https://x/prefix/uploads/files/{A}"
        );
        let joined = parse(&raw).unwrap().unwrap();
        let [a, b] = [A, B].map(|id| Uuid::parse_str(id).unwrap());
        assert_eq!(joined.parts, [a, b, a]);
        assert_eq!(joined.raw, raw);
    }

    #[test]
    fn what_names_no_parts_is_refused() {
        let many = format!("final;{}", format!("/uploads/files/{A} ").repeat(257));
        for value in [
            "",
            "final",
            "final;",
            "final; ",
            "Partial",
            "final;/uploads/files/../../etc/passwd",
            "final;/uploads/files/..%2f..%2fetc",
            "final;/uploads/files/",
            &format!("final;/files/{A}"),
            &format!("final;{A}"),
            &format!("final;/uploads/files/{A},/uploads/files/{B}"),
            &format!("final;/uploads/files/{A}/x"),
            &many,
        ] {
            assert!(parse(value).is_err(), "{value}");
        }
    }
}
