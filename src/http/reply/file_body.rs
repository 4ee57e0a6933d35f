//! A range of a file as a response body, read as fast as the client receives.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::blocking;
use crate::shares::Share;

/// Bytes read at a time, and held for a slow client.
const PIECE_BYTES: u64 = 128 << 10;

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>>>>;

/// A range of a file that does not change.
pub struct FileBody {
    file: Arc<File>,
    position: u64,
    end: u64,
    reading: Option<Reading>,
    _share: Share,
}

impl FileBody {
    /// The bytes from `position` up to `end`; `share` is that of its reader.
    pub fn new(file: File, position: u64, end: u64, share: Share) -> FileBody {
        FileBody {
            file: Arc::new(file),
            position,
            end,
            reading: None,
            _share: share,
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let (position, left) = (self.position, self.end - self.position);
        let file = Arc::clone(&self.file);
        let reading = self.reading.get_or_insert_with(|| {
            Box::pin(blocking::run(move || {
                let mut piece = vec![0; left.min(PIECE_BYTES) as usize];
                file.read_exact_at(&mut piece, position)?;
                Ok(piece.into())
            }))
        });
        let read = ready!(reading.as_mut().poll(context));
        self.reading = None;
        let piece: Bytes = read?;
        self.position += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.position >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.position)
    }
}
