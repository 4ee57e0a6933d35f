//! Collects what could not be decoded, and where, for the warning to the user.

/// Places that are listed; of further ones only the number is given.
const NAMED_MAX: usize = 5;
/// Places this close to each other are merged.
const NEAR_S: f64 = 1.0;
/// Less than this at the very start is not reported: a frame that began before
/// the recording did.
const WORTH_S: f64 = 0.1;
/// A container's duration may be this wrong.
const LENGTH_TOLERANCE_S: f64 = 1.0;
const LENGTH_TOLERANCE: f64 = 0.01;
/// Reasons come from decoders, which may quote the file.
const REASON_MAX_CHARACTERS: usize = 120;

/// A place where decoding failed.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    start_s: f64,
    end_s: f64,
    /// Missing seconds, where known.
    missing_s: f64,
    is_known: bool,
    reason: String,
}

/// Collects failures in order of time.
#[derive(Debug, Default)]
pub struct Trouble {
    places: Vec<Place>,
    further: u64,
    notes: Vec<String>,
}

impl Trouble {
    /// Records that decoding failed at `at_s`; `missing_s` is the duration lost,
    /// if known.
    pub fn lost(&mut self, at_s: f64, missing_s: Option<f64>, reason: &str) {
        let end_s = at_s + missing_s.unwrap_or(0.0);
        if let Some(last) = self.places.last_mut()
            && (at_s - last.end_s < NEAR_S || self.further > 0)
        {
            if at_s - last.end_s < NEAR_S {
                last.end_s = last.end_s.max(end_s);
                last.missing_s += missing_s.unwrap_or(0.0);
                last.is_known &= missing_s.is_some();
            } else {
                self.further += 1;
            }
            return;
        }
        if self.places.len() == NAMED_MAX {
            self.further += 1;
            return;
        }
        self.places.push(Place {
            start_s: at_s,
            end_s,
            missing_s: missing_s.unwrap_or(0.0),
            is_known: missing_s.is_some(),
            reason: reason
                .chars()
                .filter(|character| !character.is_control())
                .take(REASON_MAX_CHARACTERS)
                .collect(),
        });
    }

    /// Adds another note for the user.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// The recording ends at `end_s`; its structure shows that it was truncated.
    pub fn cut_short(&mut self, end_s: f64, claimed_s: Option<f64>) {
        let claimed = match claimed_s {
            Some(claimed_s) if claimed_s > end_s + WORTH_S => format!(" of {}", seconds(claimed_s)),
            _ => String::new(),
        };
        self.note(format!(
            "the file was cut short: it ends after {}{claimed}",
            seconds(end_s)
        ));
    }

    /// The recording ends at `end_s` with an intact structure, but claims a
    /// duration of `claimed_s`.
    pub fn ended(&mut self, end_s: f64, claimed_s: f64) {
        if end_s < claimed_s * (1.0 - LENGTH_TOLERANCE) - LENGTH_TOLERANCE_S {
            self.note(format!(
                "the file claims to be {} long, but its audio ends after {}",
                seconds(claimed_s),
                seconds(end_s)
            ));
        }
    }

    /// A summary in one line; `None` if nothing is missing.
    pub fn summary(&self) -> Option<String> {
        let mut parts = Vec::new();
        let places: Vec<String> = self
            .places
            .iter()
            .filter(|place| !place.is_known || place.end_s >= WORTH_S)
            .map(Place::describe)
            .collect();
        if !places.is_empty() {
            let further = match self.further {
                0 => String::new(),
                1 => "; and 1 more place".to_owned(),
                count => format!("; and {count} more places"),
            };
            parts.push(format!(
                "could not be decoded: {}{further}",
                places.join("; ")
            ));
        }
        parts.extend(self.notes.iter().cloned());
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Place {
    fn describe(&self) -> String {
        let reason = &self.reason;
        match self.is_known {
            true => format!(
                "{} at {} ({reason})",
                match self.missing_s < WORTH_S {
                    true => "less than 0.1 s".to_owned(),
                    false => seconds(self.missing_s),
                },
                seconds(self.start_s)
            ),
            false => format!("something at {} ({reason})", seconds(self.start_s)),
        }
    }
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_listed_with_seconds() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.summary(), None);
        trouble.lost(
            0.0,
            Some(0.02),
            "the first frame needs one that is not there",
        );
        assert_eq!(trouble.summary(), None);
        for index in 0..20 {
            trouble.lost(
                12.3 + f64::from(index) * 0.02,
                Some(0.02),
                "bad\u{7} huffman code",
            );
        }
        trouble.lost(40.0, None, "noise");
        assert_eq!(
            trouble.summary().unwrap(),
            "could not be decoded: 0.4 s at 12.3 s (bad huffman code); something at 40.0 s (noise)"
        );
        for index in 0..30 {
            trouble.lost(50.0 + f64::from(index) * 10.0, Some(0.5), "x");
        }
        assert!(
            trouble.summary().unwrap().ends_with("and 28 more places"),
            "{trouble:?}"
        );
    }

    #[test]
    fn early_ends_are_reported() {
        let summary = |report: &dyn Fn(&mut Trouble)| {
            let mut trouble = Trouble::default();
            report(&mut trouble);
            trouble.summary()
        };
        assert_eq!(
            summary(&|trouble| trouble.cut_short(17.84, Some(26.8))).unwrap(),
            "the file was cut short: it ends after 17.8 s of 26.8 s"
        );
        assert_eq!(
            summary(&|trouble| trouble.cut_short(17.84, None)).unwrap(),
            "the file was cut short: it ends after 17.8 s"
        );
        assert_eq!(
            summary(&|trouble| trouble.ended(90.0, 100.0)).unwrap(),
            "the file claims to be 100.0 s long, but its audio ends after 90.0 s"
        );
        assert_eq!(summary(&|trouble| trouble.ended(98.5, 100.0)), None);
        assert_eq!(summary(&|trouble| trouble.ended(120.0, 100.0)), None);
    }
}
