mod inner;

pub use inner::Inner;
