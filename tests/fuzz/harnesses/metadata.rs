//! Upload-Metadata.

use crate::http::uploads::tus::metadata::Metadata;

/// What is read is what was written, and a key has one value.
pub fn metadata(input: &[u8]) {
    let Ok(header) = str::from_utf8(input) else {
        return;
    };
    let Ok(metadata) = Metadata::parse(header) else {
        return;
    };
    for key in ["filename", "filetype", "language", "model", "taskId"] {
        let Ok(Some(value)) = metadata.text(key) else {
            continue;
        };
        // Base64 takes four characters for three bytes.
        assert!(value.len() <= header.len(), "{key} grew");
        let named = |pair: &&str| pair.split_ascii_whitespace().next() == Some(key);
        assert_eq!(
            header.split(',').filter(named).count(),
            1,
            "{key} in {header}"
        );
    }
}
