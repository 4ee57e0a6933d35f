//! What the fuzz targets call: each takes any bytes, and panics where what the
//! program makes of them is not sound. Part of the library, because it looks
//! behind its walls; compiled for fuzzing and for unit tests alone. Those of
//! the engine (`media`) are part of its binary in the same way.

mod checksum;
mod fields;
mod metadata;
mod multipart;
mod range;
mod record;
#[cfg(test)]
mod replay;
mod requests;

pub use checksum::checksum;
pub use fields::fields;
pub use metadata::metadata;
pub use multipart::multipart;
pub use range::range;
pub use record::record;
pub use requests::requests;

#[cfg(test)]
mod tests {
    super::replay::targets! {
        "media", false;
        checksum fields metadata multipart range record requests
    }
}
