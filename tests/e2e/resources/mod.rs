//! Memory, CPU, descriptors, and the limits of all of them.

mod idle;
mod limits;
mod many;
