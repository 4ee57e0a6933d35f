//! The file in a form as a source of bytes for the upload engine.

use bytes::Bytes;
use multer::Field;

use super::form::{BadForm, Form};
use super::texts::Texts;
use crate::upload::{Checksum, Cut, Line, Source};

/// The bytes of a file in a form.
pub struct FormFile {
    form: Form,
    field: Option<Field<'static>>,
    behind: Behind,
}

/// The fields behind the file.
enum Behind {
    Ignored,
    Due,
    Refused(BadForm),
}

impl FormFile {
    /// That of this field. What comes behind it is not looked at.
    pub(super) fn new(form: Form, field: Field<'static>) -> FormFile {
        FormFile {
            form,
            field: Some(field),
            behind: Behind::Ignored,
        }
    }

    /// From now on it ends when the form does, and the texts of all of its
    /// fields are known then.
    pub fn read_on(&mut self) {
        self.behind = Behind::Due;
    }

    /// What the fields say that were read.
    pub fn texts(&self) -> Result<&Texts, BadForm> {
        match &self.behind {
            Behind::Refused(bad) => Err(bad.clone()),
            Behind::Ignored | Behind::Due => Ok(self.form.texts()),
        }
    }
}

impl Source for FormFile {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
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
