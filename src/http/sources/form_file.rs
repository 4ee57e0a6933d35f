//! The file in a form as a source of bytes for the upload engine.

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use multer::Field;

use super::arriving::Arriving;
use super::bad_form::BadForm;
use super::form::Form;
use super::texts::Texts;
use crate::upload::{ByteSource, PeerSocket, SourceError};

/// The bytes of a file in a form. They end with the form, so that its other fields
/// are known then.
pub struct FormFile {
    form: Form,
    /// `None` at the end of the file.
    field: Option<Field<'static>>,
    /// The error in a later field.
    bad: Option<BadForm>,
}

impl Form {
    /// The file in this field, once its first bytes have arrived. The texts of
    /// earlier fields are kept.
    pub async fn file(mut self, wanted: &str) -> Result<Arriving<FormFile>, BadForm> {
        let (field, filename) = self.field(wanted).await?;
        let content_type = field.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        let file = FormFile {
            form: self,
            field: Some(field),
            bad: None,
        };
        let begun = Arriving::begin(file, filename, content_type);
        begun.await.map_err(|_| BadForm::Incomplete)
    }
}

impl FormFile {
    /// The other fields that have arrived.
    pub fn texts(&self) -> Result<&Texts, BadForm> {
        match &self.bad {
            Some(bad) => Err(bad.clone()),
            None => Ok(self.form.texts()),
        }
    }
}

impl ByteSource for FormFile {
    async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        if let Some(field) = &mut self.field {
            match self.form.gate().pass(field.chunk()).await {
                Ok(None) => self.field = None,
                Ok(Some(bytes)) => return Some(Ok(bytes)),
                Err(_) => return Some(Err(SourceError::Lost)),
            }
        }
        if self.bad.is_none() {
            // All bytes have arrived; the error is returned by `texts`.
            self.bad = self.form.rest().await.err();
        }
        None
    }

    fn peer_socket(&self) -> Option<PeerSocket> {
        self.form.peer_socket()
    }
}
