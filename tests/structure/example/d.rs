use crate::c;

pub type D = c::C;
