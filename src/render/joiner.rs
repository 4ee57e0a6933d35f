//! The segments of a transcript as one text.

/// Joins segments; what goes between two depends on both of them.
#[derive(Debug, Default)]
pub struct Joiner {
    last: Option<char>,
}

impl Joiner {
    /// The next segment with what goes before it. All of these, one behind the
    /// other, are the text.
    pub fn next(&mut self, segment: &str) -> String {
        let first = segment.chars().next();
        let gap = match (self.last, first) {
            (None, _) | (_, None) => "",
            (Some(last), Some(first)) if is_unspaced(last) || is_unspaced(first) => "",
            _ => " ",
        };
        self.last = segment.chars().next_back().or(self.last);
        format!("{gap}{segment}")
    }
}

/// Chinese and Japanese have no spaces.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{3000}'..='\u{30ff}' // punctuation, kana
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff00}'..='\u{ffef}' // full and half width
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_joined_as_their_script_wants_it() {
        for (segments, text) in [
            (&[][..], ""),
            (&["hello"], "hello"),
            (&["Hello.", "World"], "Hello. World"),
            (&["안녕", "하세요"], "안녕 하세요"),
            (&["今日は", "晴れ。", "明日も"], "今日は晴れ。明日も"),
            (&["使用", "GPU", "很快"], "使用GPU很快"),
        ] {
            let mut joiner = Joiner::default();
            let joined: String = segments
                .iter()
                .map(|segment| joiner.next(segment))
                .collect();
            assert_eq!(joined, text);
        }
    }
}
