//! Mutation testing of durability: breaks one rule of the order of writes at a
//! time, so that tests can show that they detect it. Only in builds with the
//! feature `sabotage`, where the environment variable `SABOTAGE` names the rules
//! to break.

/// A rule of the order of writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Data is synced before its offset is reported.
    DataSync,
    /// Data is written before the record that covers it.
    DataBeforeRecord,
    /// A new name is synced before it is reported.
    DirectorySync,
    /// A torn slot is not valid.
    WholeSlots,
}

impl Rule {
    /// Whether `SABOTAGE` names this rule.
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

    /// Never without the feature.
    #[cfg(not(feature = "sabotage"))]
    pub(super) const fn is_broken(self) -> bool {
        let _ = self;
        false
    }
}
