//! A body as a form, field after field, without ever holding much of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use multer::{Error, Field, Multipart};

use super::file::FormFile;
use super::texts::Texts;
use crate::http::disposition;
use crate::upload::Line;

/// What may come before the recording, and once more behind it: the heads of
/// fields, and other fields.
pub const BESIDE_MAX_BYTES: u64 = 64 << 10;

/// RFC 2046, section 5.1.1.
const BOUNDARY_MAX_BYTES: usize = 70;

/// Why a body is no form that can be read. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    /// Another type, or none.
    #[error("send the recording as multipart/form-data, in the field `file`")]
    Type,
    /// A form that cannot be taken apart.
    #[error("Content-Type names no boundary of 1 to {BOUNDARY_MAX_BYTES} characters")]
    Boundary,
    /// Its parts are not what they should be.
    #[error("the body is not a form with the boundary that its Content-Type names")]
    Malformed,
    /// No such field.
    #[error("the form has no field `{0}`")]
    Missing(String),
    /// The recording does not come.
    #[error("more than {} KiB come before the recording; send it first", BESIDE_MAX_BYTES >> 10)]
    Before,
    /// The form does not end.
    #[error("more than {} KiB come behind the recording", BESIDE_MAX_BYTES >> 10)]
    Behind,
    /// Nobody has so many wishes.
    #[error(
        "the form has more than {} fields, or {} KiB in them, beside the recording",
        Texts::MAX,
        Texts::MAX_BYTES >> 10
    )]
    Texts,
    /// Nor does it here.
    #[error("the recording did not begin within the idle_timeout of this server")]
    Slow,
    /// The connection was lost, or the body ends in the middle.
    #[error("the recording did not come to its end; nothing of it was kept, send it again")]
    Incomplete,
}

impl BadForm {
    /// The status it is refused with.
    pub fn status(&self) -> StatusCode {
        match self {
            BadForm::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BadForm::Missing(_) => StatusCode::UNPROCESSABLE_ENTITY,
            BadForm::Before | BadForm::Behind | BadForm::Texts => StatusCode::PAYLOAD_TOO_LARGE,
            BadForm::Slow => StatusCode::REQUEST_TIMEOUT,
            BadForm::Boundary | BadForm::Malformed | BadForm::Incomplete => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<Error> for BadForm {
    fn from(error: Error) -> BadForm {
        match error {
            // Ours.
            Error::StreamReadFailed(error) => match error.downcast::<BadForm>() {
                Ok(ours) => *ours,
                Err(_) => BadForm::Incomplete,
            },
            Error::IncompleteFieldData { .. } => BadForm::Incomplete,
            _ => BadForm::Malformed,
        }
    }
}

/// A form that is being read.
pub struct Form {
    fields: Multipart<'static>,
    stage: Arc<AtomicU8>,
    line: Option<Line>,
    texts: Texts,
    /// A field that is being read, and its name.
    open: Option<(String, Field<'static>)>,
}

/// Where in a form its reader is.
mod stage {
    pub const BEFORE: u8 = 0;
    pub const RECORDING: u8 = 1;
    pub const BEHIND: u8 = 2;
}

/// A field, and the name of its file if it has one.
type Found = (Field<'static>, Option<String>);

impl Form {
    /// The body of a request with this head.
    pub fn of<B>(head: &Parts, body: B) -> Result<Form, BadForm>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let told = head.headers.get(CONTENT_TYPE).ok_or(BadForm::Type)?;
        let told = told.to_str().map_err(|_| BadForm::Type)?;
        let media_type = told.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("multipart/form-data") {
            return Err(BadForm::Type);
        }
        let boundary = multer::parse_boundary(told).map_err(|_| BadForm::Boundary)?;
        if !(1..=BOUNDARY_MAX_BYTES).contains(&boundary.len()) {
            return Err(BadForm::Boundary);
        }
        let stage = Arc::new(AtomicU8::new(stage::BEFORE));
        let frames = Frames {
            body,
            is_at_rest: false,
            read_bytes: 0,
            stage: stage::BEFORE,
            reached: Arc::clone(&stage),
        };
        Ok(Form {
            fields: Multipart::new(frames, boundary),
            stage,
            line: head.extensions.get().cloned(),
            texts: Texts::default(),
            open: None,
        })
    }

    /// The file in this field, as soon as its first bytes are there. Of the
    /// fields before it the texts are kept; those behind it are not looked at.
    pub async fn file(mut self, wanted: &str) -> Result<FormFile, BadForm> {
        let found = self.advance(Some(wanted)).await?;
        let (field, filename) = found.ok_or_else(|| BadForm::Missing(wanted.to_owned()))?;
        self.stage.store(stage::RECORDING, Ordering::Relaxed);
        FormFile::begin(self, field, filename).await
    }

    /// Reads the fields behind the recording. May be dropped and called again.
    pub(super) async fn rest(&mut self) -> Result<(), BadForm> {
        self.stage.store(stage::BEHIND, Ordering::Relaxed);
        self.advance(None).await.map(drop)
    }

    /// The texts that were found so far.
    pub(super) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// What the body comes over.
    pub(super) fn line(&self) -> Option<Line> {
        self.line.clone()
    }

    /// Keeps texts and passes over files, up to the field that is wanted or the
    /// end of the form.
    async fn advance(&mut self, wanted: Option<&str>) -> Result<Option<Found>, BadForm> {
        loop {
            if let Some((name, field)) = &mut self.open {
                while let Some(bytes) = field.chunk().await? {
                    self.texts.add(&bytes)?;
                }
                self.texts.end(std::mem::take(name))?;
                self.open = None;
            }
            let Some(field) = self.fields.next_field().await? else {
                return Ok(None);
            };
            match disposition::field(field.headers()) {
                (Some(name), filename) if Some(&*name) == wanted => {
                    return Ok(Some((field, filename)));
                }
                (Some(name), None) => self.open = Some((name, field)),
                _ => {}
            }
        }
    }
}

/// A body's frames, one at a time: the parser would take as many as it can get
/// before it looks at the first, and hold them all. It has no limit for what
/// comes before a field's content either.
struct Frames<B> {
    body: B,
    is_at_rest: bool,
    /// In this stage.
    read_bytes: u64,
    stage: u8,
    /// Where the reader is now: the recording is counted elsewhere.
    reached: Arc<AtomicU8>,
}

impl<B: Body<Data = Bytes> + Unpin> Stream for Frames<B> {
    type Item = Result<Bytes, BadForm>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.is_at_rest) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let reached = self.reached.load(Ordering::Relaxed);
        if reached != self.stage {
            self.stage = reached;
            self.read_bytes = 0;
        }
        if self.read_bytes > BESIDE_MAX_BYTES && reached != stage::RECORDING {
            return Poll::Ready(Some(Err(match reached {
                stage::BEFORE => BadForm::Before,
                _ => BadForm::Behind,
            })));
        }
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Some(Err(BadForm::Incomplete))),
                None => return Poll::Ready(None),
            };
            // Trailers are no content.
            if let Ok(bytes) = frame.into_data() {
                self.is_at_rest = true;
                self.read_bytes += bytes.len() as u64;
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    use hyper::Request;
    use hyper::body::Frame;

    use super::*;
    use crate::upload::Source;

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
}
