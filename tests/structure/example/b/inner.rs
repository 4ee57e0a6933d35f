pub struct Inner(pub Vec<crate::c::C>);
