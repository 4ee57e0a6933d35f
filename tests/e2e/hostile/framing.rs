//! Requests whose framing is hostile (RFC 9112, section 11.2): none smuggles a
//! second one in.

use super::support::{MEMORY_MAX_KIB, daemon, exchange};
use crate::fixtures::honest_client::Honest;
use crate::support::tus::{FILES, Upload};

/// What the head of every request to upload has.
const TUS: &str = "Host: localhost\r\nTus-Resumable: 1.0.0\r\n";

#[test]
fn hostile_framing_smuggles_no_request_in() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let long_extension = format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(20_000));
    let chunked = "Transfer-Encoding: chunked";
    let sound = "3\r\nabc\r\n0\r\n\r\n";
    for (fields, body, statuses) in [
        // Sound ones: the request behind it, a DELETE, is one.
        ("Content-Length: 3", "abc", &[201, 204][..]),
        ("Content-Length: 003", "abc", &[201, 204]),
        ("Content-Length: 3\r\nContent-Length: 3", "abc", &[201, 204]),
        (chunked, sound, &[201, 204]),
        ("transfer-encoding:\tcHuNkEd ", sound, &[201, 204]),
        (chunked, "3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n", &[201, 204]),
        (chunked, "0003\r\nabc\r\n000\r\n\r\n", &[201, 204]),
        (
            chunked,
            "3\r\nabc\r\n0\r\nUpload-Offset: 9\r\n\r\n",
            &[201, 204],
        ),
        ("X: 1\r\nX: 2\r\nContent-Length: 3", "abc", &[201, 204]),
        // Two lengths: the chunks count, and nothing behind them.
        (
            "Content-Length: 9\r\nTransfer-Encoding: chunked",
            sound,
            &[201],
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            sound,
            &[201],
        ),
        ("Content-Length: 3\r\nContent-Length: 4", "abc", &[400]),
        ("Content-Length: 3, 3", "abc", &[400]),
        ("Content-Length: 3, 4", "abc", &[400]),
        // Lengths that are none.
        ("Content-Length:", "abc", &[400]),
        ("Content-Length: -3", "abc", &[400]),
        ("Content-Length: +3", "abc", &[400]),
        ("Content-Length: 3e0", "abc", &[400]),
        ("Content-Length: 0x3", "abc", &[400]),
        ("Content-Length: 3 0", "abc", &[400]),
        ("Content-Length: 9223372036854775808", "abc", &[413]),
        ("Content-Length: 18446744073709551615", "abc", &[431]),
        ("Content-Length: 18446744073709551616", "abc", &[400]),
        (
            "Content-Length: 1000000000000000000000000000000",
            "abc",
            &[400],
        ),
        // Codings that a proxy may not see, or see otherwise.
        ("Transfer-Encoding: gzip, chunked", sound, &[501]),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            sound,
            &[400],
        ),
        ("Transfer-Encoding: identity", sound, &[400]),
        ("Transfer-Encoding: xchunked", sound, &[400]),
        ("Transfer-Encoding: chunked, identity", sound, &[400]),
        ("Transfer-Encoding: \"chunked\"", sound, &[400]),
        ("Transfer-Encoding: \x0bchunked", sound, &[400]),
        ("Transfer-Encoding : chunked", sound, &[400]),
        ("Transfer-Encoding:\r\n chunked", sound, &[400]),
        ("X: y\r\n Transfer-Encoding: chunked", sound, &[400]),
        ("X: y\rTransfer-Encoding: chunked", sound, &[400]),
        ("X: \0\r\nContent-Length: 3", "abc", &[400]),
        ("X\0: y\r\nContent-Length: 3", "abc", &[400]),
        (": y\r\nContent-Length: 3", "abc", &[400]),
        ("no colon\r\nContent-Length: 3", "abc", &[400]),
        ("Host: other\r\nContent-Length: 3", "abc", &[400]),
        // Chunks that are none: what came before is kept, nothing behind is read.
        (chunked, "-3\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "+3\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "0x3\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "zz\r\n", &[201]),
        (chunked, "3\nabc\n0\n\n", &[201]),
        (chunked, "3\r\nabc0\r\n\r\n", &[201]),
        (chunked, "3\r\nabcd\r\n0\r\n\r\n", &[201]),
        (chunked, "3;\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, &long_extension, &[201]),
    ] {
        let victim = Upload::create(address, 10, &[]);
        let Upload { path, .. } = &victim;
        let sent = format!(
            "POST {FILES} HTTP/1.1\r\n{TUS}Upload-Length: 100\r\n\
             Content-Type: application/offset+octet-stream\r\n{fields}\r\n\r\n{body}\
             DELETE {path} HTTP/1.1\r\n{TUS}Connection: close\r\n\r\n"
        );
        let what = format!("{fields:?} {:?}", &body[..body.len().min(30)]);
        assert_eq!(exchange(address, sent.as_bytes()), statuses, "{what}");
        let expected = if statuses.len() > 1 { 404 } else { 200 };
        assert_eq!(victim.head().status, expected, "{what}: the one behind it");
        victim.terminate();
    }
    honest.unharmed(&mut daemon, MEMORY_MAX_KIB);
}
