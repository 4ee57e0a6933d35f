//! Where recordings come from that arrive whole: a form, or another server.

pub(crate) mod arriving;
pub(crate) mod bad_form;
pub(crate) mod fetched;
pub(crate) mod form;
pub(crate) mod form_file;
mod frames;
pub(crate) mod texts;
