//! A unit of sample data.

/// One or more samples that are contiguous in time and in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Offset of the first byte in the file.
    pub offset_bytes: u64,
    /// Total size.
    pub size_bytes: u64,
    /// Presentation time in units of the track's time scale.
    pub time: i64,
    /// Total duration in the same units.
    pub duration: u64,
    /// Index of the sample entry, from 0.
    pub entry: u32,
}
