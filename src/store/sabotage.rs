//! Breaks what makes uploads durable, one rule at a time, so that tests can
//! show that they would notice. Nothing of it is in a build without the
//! feature `sabotage`; in one with it, the environment variable `SABOTAGE`
//! names what to break.

/// A rule of the order of writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// The data is on stable storage before anybody is told.
    DataSync,
    /// The record never tells of data that is not there yet.
    DataBeforeRecord,
    /// A new name is on stable storage before anybody is told.
    DirectorySync,
    /// A slot that was torn by a power cut does not count.
    WholeSlots,
}

impl Rule {
    /// Whether this build was told to break it.
    #[cfg(feature = "sabotage")]
    pub(super) fn is_broken(self) -> bool {
        let name = match self {
            Rule::DataSync => "no-data-sync",
            Rule::DataBeforeRecord => "record-before-data",
            Rule::DirectorySync => "no-directory-sync",
            Rule::WholeSlots => "torn-slot-accepted",
        };
        std::env::var("SABOTAGE").is_ok_and(|broken| broken.split(',').any(|rule| rule == name))
    }

    /// Never.
    #[cfg(not(feature = "sabotage"))]
    pub(super) const fn is_broken(self) -> bool {
        let _ = self;
        false
    }
}
