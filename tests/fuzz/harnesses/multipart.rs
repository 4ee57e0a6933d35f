//! Forms: what is read of one does not depend on how it came.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame};
use hyper::header::CONTENT_TYPE;

use crate::http::sources::bad_form::BadForm;
use crate::http::sources::form::Form;
use crate::upload::ByteSource;

/// The first byte is the size of the pieces, the rest is the body: what
/// is read of it in pieces is what is read of it at once, the file is a stretch
/// of the body without a boundary in it, and nothing waits for what never comes.
pub fn multipart(input: &[u8]) {
    let Some((size, body)) = input.split_first() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let read = |piece_bytes: usize| runtime.block_on(read(body, piece_bytes.max(1)));
    let whole = read(body.len());
    let pieces = read(usize::from(*size));
    assert_eq!(whole, pieces, "in pieces of {size}");
    let to_the_end = |piece_bytes: usize| runtime.block_on(texts(body, piece_bytes.max(1)));
    assert_eq!(
        to_the_end(body.len()),
        to_the_end(usize::from(*size)),
        "in pieces of {size}"
    );
    let Ok((name, Some(content))) = whole else {
        return;
    };
    assert!(name.is_none_or(|name| !name.is_empty() && !name.contains(['/', '\\'])));
    let is_in = |what: &[u8], part: &[u8]| what.windows(part.len()).any(|found| found == part);
    assert!(
        content.is_empty() || is_in(body, &content),
        "not of the body"
    );
    assert!(!is_in(&content, b"\r\n--b"), "a boundary in the file");
}

/// The name and the content of the file; no content if it does not end.
type Read = Result<(Option<String>, Option<Vec<u8>>), BadForm>;

async fn read(body: &[u8], piece_bytes: usize) -> Read {
    let file = form(body, piece_bytes)?.file("file").await?;
    let name = file.filename.clone();
    let start = file.start().to_vec();
    let mut source = file.source();
    let mut content = Vec::new();
    while let Some(bytes) = source.next().await {
        match bytes {
            Ok(bytes) => content.extend_from_slice(&bytes),
            Err(_) => return Ok((name, None)),
        }
    }
    assert!(content.starts_with(&start));
    Ok((name, Some(content)))
}

/// What the fields beside the file say; nothing if that does not end.
async fn texts(body: &[u8], piece_bytes: usize) -> Result<Option<String>, BadForm> {
    let file = form(body, piece_bytes)?.file("file").await?;
    let mut source = file.source();
    while let Some(bytes) = source.next().await {
        if bytes.is_err() {
            return Ok(None);
        }
    }
    Ok(Some(format!("{:?}", source.rest().texts()?)))
}

fn form(body: &[u8], piece_bytes: usize) -> Result<Form, BadForm> {
    let request = Request::builder().header(CONTENT_TYPE, "multipart/form-data; boundary=b");
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let pieces = body
        .chunks(piece_bytes)
        .map(Bytes::copy_from_slice)
        .collect();
    Form::of(&head, Pieces(pieces))
}

struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Frame::data).map(Ok))
    }
}
