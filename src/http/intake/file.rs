//! The file in a form as a source of bytes for the upload engine.

use bytes::{Bytes, BytesMut};
use hyper::header::CONTENT_TYPE;
use multer::Field;

use super::form::{BadForm, Form};
use super::texts::Texts;
use crate::http::new_upload::display_name;
use crate::task::LOOK_BYTES;
use crate::upload::{Checksum, Cut, Line, Source};

/// A file of which only the first bytes were read.
pub struct FormFile {
    form: Form,
    field: Field<'static>,
    filename: Option<String>,
    start: Bytes,
}

impl FormFile {
    /// Reads the first bytes: [`LOOK_BYTES`], or all where there are fewer.
    pub(super) async fn begin(
        form: Form,
        mut field: Field<'static>,
        filename: Option<String>,
    ) -> Result<FormFile, BadForm> {
        let mut start = BytesMut::new();
        while start.len() < LOOK_BYTES {
            match form.gate().pass(field.chunk()).await? {
                Some(bytes) => start.extend_from_slice(&bytes),
                None => break,
            }
        }
        Ok(FormFile {
            form,
            field,
            filename,
            start: start.freeze(),
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

    /// What the fields before it say.
    pub fn texts(&self) -> &Texts {
        self.form.texts()
    }

    /// All of it, from its first byte. What comes behind it is not looked at.
    pub fn source(self) -> FileSource {
        self.source_with(Behind::Ignored)
    }

    /// The same; it ends when the form does, and the texts of all of its fields
    /// are known then.
    pub fn source_to_the_end(self) -> FileSource {
        self.source_with(Behind::Due)
    }

    fn source_with(self, behind: Behind) -> FileSource {
        FileSource {
            form: self.form,
            start: Some(self.start),
            field: Some(self.field),
            behind,
        }
    }
}

/// The bytes of a file in a form.
pub struct FileSource {
    form: Form,
    start: Option<Bytes>,
    field: Option<Field<'static>>,
    behind: Behind,
}

/// The fields behind the file.
enum Behind {
    Ignored,
    Due,
    Refused(BadForm),
}

impl FileSource {
    /// What all fields of the form say, once its bytes have ended.
    pub fn texts(&self) -> Result<&Texts, BadForm> {
        match &self.behind {
            Behind::Refused(bad) => Err(bad.clone()),
            Behind::Ignored | Behind::Due => Ok(self.form.texts()),
        }
    }
}

impl Source for FileSource {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        if let Some(start) = self.start.take() {
            return Some(Ok(start));
        }
        if let Some(field) = &mut self.field {
            match self.form.gate().pass(field.chunk()).await {
                Ok(None) => self.field = None,
                Ok(Some(bytes)) => return Some(Ok(bytes)),
                Err(_) => return Some(Err(Cut::Lost)),
            }
        }
        if let Behind::Due = self.behind
            && let Err(bad) = self.form.rest().await
        {
            // The bytes are all there; what is wrong is for those who ask.
            self.behind = Behind::Refused(bad);
        }
        None
    }

    fn line(&self) -> Option<Line> {
        self.form.line()
    }

    fn checksum(&self) -> Option<Checksum> {
        None
    }
}
