//! The file in a form as a source of bytes for the upload engine.

use bytes::{Bytes, BytesMut};
use hyper::header::CONTENT_TYPE;
use multer::Field;

use super::form::BadForm;
use crate::http::new_upload::display_name;
use crate::task::LOOK_BYTES;
use crate::upload::{Checksum, Cut, Line, Source};

/// A file of which only the first bytes were read.
pub struct FormFile {
    field: Field<'static>,
    filename: Option<String>,
    start: Bytes,
    line: Option<Line>,
}

impl FormFile {
    /// Reads the first bytes: [`LOOK_BYTES`], or all where there are fewer.
    pub(super) async fn begin(
        mut field: Field<'static>,
        filename: Option<String>,
        line: Option<Line>,
    ) -> Result<FormFile, BadForm> {
        let mut start = BytesMut::new();
        while start.len() < LOOK_BYTES {
            match field.chunk().await? {
                Some(bytes) => start.extend_from_slice(&bytes),
                None => break,
            }
        }
        Ok(FormFile {
            field,
            filename,
            start: start.freeze(),
            line,
        })
    }

    /// Its first bytes; none if it is empty.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// As the client calls it, without the folders.
    pub fn filename(&self) -> Option<String> {
        let name = self.filename.as_deref().map(display_name);
        name.filter(|name| !name.is_empty())
    }

    /// Media type the client claims.
    pub fn content_type(&self) -> Option<String> {
        let value = self.field.headers().get(CONTENT_TYPE)?;
        Some(value.to_str().ok()?.to_owned())
    }

    /// All of it, from its first byte.
    pub fn source(self) -> FileSource {
        FileSource {
            start: Some(self.start),
            field: self.field,
            line: self.line,
        }
    }
}

/// The bytes of a file in a form.
pub struct FileSource {
    start: Option<Bytes>,
    field: Field<'static>,
    line: Option<Line>,
}

impl Source for FileSource {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        match self.start.take() {
            Some(start) => Some(Ok(start)),
            None => self.field.chunk().await.map_err(|_| Cut::Lost).transpose(),
        }
    }

    fn line(&self) -> Option<Line> {
        self.line.clone()
    }

    fn checksum(&self) -> Option<Checksum> {
        None
    }
}
