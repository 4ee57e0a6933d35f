use super::b::Inner;

pub struct A(pub Inner);
