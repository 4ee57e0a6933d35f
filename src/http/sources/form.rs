//! Reads a body as a form (RFC 7578), field by field in little memory.

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use multer::{Field, Multipart};

use super::bad_form::{BESIDE_MAX_BYTES, BOUNDARY_MAX_BYTES, BadForm, FIELDS_MAX};
use super::frames::{Frames, Gate};
use super::texts::Texts;
use crate::http::headers::content_type::media_type;
use crate::http::headers::disposition;
use crate::upload::PeerSocket;

/// A form that is being read.
pub struct Form {
    fields: Multipart<'static>,
    gate: Gate,
    line: Option<PeerSocket>,
    texts: Texts,
    /// Number of fields beside the recording.
    count: usize,
    /// Bytes of the fields before the recording, then of those after it.
    beside_bytes: u64,
    /// The field that is being read, and its name if the text is kept.
    open: Option<(Option<String>, Field<'static>)>,
}

/// A field, and the name of its file if it has one.
pub(super) type Found = (Field<'static>, Option<String>);

impl Form {
    /// Reads the body of a request with this head.
    pub fn of<B>(head: &Parts, body: B) -> Result<Form, BadForm>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let value = head.headers.get(CONTENT_TYPE).ok_or(BadForm::Type)?;
        let value = value.to_str().map_err(|_| BadForm::Type)?;
        media_type(&head.headers)
            .filter(|found| found.eq_ignore_ascii_case("multipart/form-data"))
            .ok_or(BadForm::Type)?;
        let boundary = multer::parse_boundary(value).map_err(|_| BadForm::Boundary)?;
        if !(1..=BOUNDARY_MAX_BYTES).contains(&boundary.len()) {
            return Err(BadForm::Boundary);
        }
        let (frames, gate) = Frames::new(body);
        Ok(Form {
            fields: Multipart::new(frames, boundary),
            gate,
            line: head.extensions.get().cloned(),
            texts: Texts::default(),
            count: 0,
            beside_bytes: 0,
            open: None,
        })
    }

    /// The text in this field, of at most [`BESIDE_MAX_BYTES`].
    pub async fn text(mut self, wanted: &str) -> Result<String, BadForm> {
        let (field, _) = self.field(wanted).await?;
        let text = self.gate.pass(field.bytes()).await?;
        String::from_utf8(text.into()).map_err(|_| BadForm::Malformed)
    }

    /// Reads up to this field: its content, and the name of its file if it has one.
    pub(super) async fn field(&mut self, wanted: &str) -> Result<Found, BadForm> {
        let found = self.advance(Some(wanted)).await?;
        self.beside_bytes = 0;
        found.ok_or_else(|| BadForm::Missing(wanted.to_owned()))
    }

    /// Reads the fields after the recording. Cancel safe.
    pub(super) async fn rest(&mut self) -> Result<(), BadForm> {
        match self.advance(None).await {
            Ok(_) => Ok(()),
            Err(BadForm::Before) => Err(BadForm::Behind),
            Err(bad) => Err(bad),
        }
    }

    /// The texts read so far.
    pub(super) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The socket of the request.
    pub(super) fn peer_socket(&self) -> Option<PeerSocket> {
        self.line.clone()
    }

    /// Through which fields are read.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Keeps texts and skips files, up to the wanted field or the end of the form.
    async fn advance(&mut self, wanted: Option<&str>) -> Result<Option<Found>, BadForm> {
        loop {
            if let Some((name, field)) = &mut self.open {
                while let Some(bytes) = self.gate.pass(field.chunk()).await? {
                    self.beside_bytes += bytes.len() as u64;
                    if self.beside_bytes > BESIDE_MAX_BYTES {
                        return Err(BadForm::Before);
                    }
                    if name.is_some() {
                        self.texts.add(&bytes);
                    }
                }
                if let Some(name) = name.take() {
                    self.texts.end(name);
                }
                self.open = None;
            }
            let Some(field) = self.gate.pass(self.fields.next_field()).await? else {
                return Ok(None);
            };
            let (name, filename) = disposition::field(field.headers());
            if wanted.is_some() && name.as_deref() == wanted {
                return Ok(Some((field, filename)));
            }
            self.count += 1;
            if self.count > FIELDS_MAX {
                return Err(BadForm::Fields);
            }
            self.open = Some((name.filter(|_| filename.is_none()), field));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use hyper::Request;
    use hyper::body::Frame;

    use super::*;
    use crate::upload::ByteSource;

    const FRAMES: usize = 1000;
    const FRAME: [u8; 1024] = [b'x'; 1024];

    /// Has all of its frames at once, and counts those that are taken.
    struct Eager(Arc<AtomicUsize>);

    impl Body for Eager {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let head = "--b\r\nContent-Disposition: form-data; name=file\r\n\r\n";
            let frame = match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Bytes::from_static(head.as_bytes()),
                FRAMES => Bytes::from_static(b"\r\n--b--"),
                number if number > FRAMES => return Poll::Ready(None),
                _ => Bytes::from_static(&FRAME),
            };
            Poll::Ready(Some(Ok(Frame::data(frame))))
        }
    }

    #[tokio::test]
    async fn no_more_is_taken_than_somebody_wants() {
        let taken = Arc::new(AtomicUsize::new(0));
        let request = Request::builder().header(CONTENT_TYPE, "multipart/form-data; boundary=b");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let form = Form::of(&head, Eager(Arc::clone(&taken))).unwrap();
        let file = form.file("file").await.unwrap();
        let start = file.start().len();
        assert!(taken.load(Ordering::Relaxed) <= start / FRAME.len() + 3);
        let mut source = file.source();
        let mut read_bytes = 0;
        while let Some(bytes) = source.next().await {
            read_bytes += bytes.unwrap().len();
            let ahead = taken.load(Ordering::Relaxed) * FRAME.len() - read_bytes;
            assert!(ahead <= 3 * FRAME.len(), "{ahead} bytes ahead");
        }
        assert_eq!(read_bytes, (FRAMES - 1) * FRAME.len());
    }

    #[tokio::test]
    async fn a_recording_that_has_come_already_is_not_counted_as_beside_it() {
        let fields = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n".repeat(9);
        let head = "--b\r\nContent-Disposition: form-data; name=file\r\n\r\n";
        let content = "z".repeat(2 * BESIDE_MAX_BYTES as usize);
        let body = format!("{fields}{head}{content}\r\n{fields}--b--\r\n");
        let request = Request::builder().header(CONTENT_TYPE, "multipart/form-data; boundary=b");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let form = Form::of(&parts, http_body_util::Full::from(body)).unwrap();
        let mut source = form.file("file").await.unwrap().source();
        let mut read_bytes = 0;
        while let Some(bytes) = source.next().await {
            read_bytes += bytes.unwrap().len();
        }
        assert_eq!(read_bytes, content.len());
        assert_eq!(
            source
                .rest()
                .texts()
                .unwrap()
                .named(|name| name == "x")
                .count(),
            18
        );
    }
}
