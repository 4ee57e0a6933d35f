//! Word error rate: how many words must be replaced, added or removed to turn
//! what was heard into what was said.

/// The words of a text, in lower case and without punctuation.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Wrong words out of all words said, summed over any number of texts.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Replacements, insertions and deletions.
    pub wrong: usize,
    /// Words that were really said.
    pub said: usize,
}

impl Tally {
    /// Compares one text.
    pub fn of(said: &str, heard: &str) -> Tally {
        let (said, heard) = (words(said), words(heard));
        Tally {
            wrong: distance(&said, &heard),
            said: said.len(),
        }
    }

    /// Both tallies together.
    pub fn plus(self, other: Tally) -> Tally {
        Tally {
            wrong: self.wrong + other.wrong,
            said: self.said + other.said,
        }
    }

    /// Wrong words per word said, in percent.
    pub fn percent(self) -> f64 {
        100.0 * self.wrong as f64 / self.said.max(1) as f64
    }
}

/// Levenshtein's distance, one row at a time.
fn distance(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, a) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in heard.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[heard.len()]
}

#[test]
fn counts_replaced_added_and_missing_words() {
    for (said, heard, wrong) in [
        ("", "", 0),
        ("Go left, please!", "go  LEFT please.", 0),
        ("go left", "go right", 1),
        ("go left", "go", 1),
        ("go left", "go left left", 1),
        ("one two three four", "two three five four", 2),
        ("", "hello world", 2),
        ("hello world", "", 2),
    ] {
        assert_eq!(Tally::of(said, heard).wrong, wrong, "{said:?} {heard:?}");
    }
    let both = Tally::of("go left", "go right").plus(Tally::of("stop now", "stop now"));
    assert_eq!(both, Tally { wrong: 1, said: 4 });
    assert_eq!(both.percent(), 25.0);
    assert_eq!(Tally::default().percent(), 0.0);
}
