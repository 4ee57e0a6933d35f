//! Texts of an engine, and about one.

/// Longest name: of a model, a version, a device, a codec.
pub(super) const NAME_MAX_CHARS: usize = 200;

/// Longest reason or warning.
pub(super) const REASON_MAX_CHARS: usize = 2000;

/// What an engine must not report. The text continues "it reported".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Violation(pub String);

/// A name for people and programs.
pub(super) fn name(name: String) -> String {
    text(name, NAME_MAX_CHARS)
}

/// The reason of a failure, or a warning.
pub(super) fn reason(reason: String) -> String {
    text(reason, REASON_MAX_CHARS)
}

/// At most so many characters, none of them a control character.
fn text(text: String, most: usize) -> String {
    // A character has a byte at least.
    if text.len() <= most && !text.contains(char::is_control) {
        return text;
    }
    let printable = text.chars().map(|letter| match letter.is_control() {
        true => ' ',
        false => letter,
    });
    printable.take(most).collect()
}
