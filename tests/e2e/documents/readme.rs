//! What the documents say is true: every configuration key of the packaged file
//! is one the daemon knows, and the manual page has it with its default.

use std::process::Command;

use crate::fixtures::documents::{document, unescape};
use crate::support::daemon::PROGRAM;

/// What the daemon thinks of this configuration.
fn check(configuration: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scribed.toml");
    std::fs::write(&path, configuration).unwrap();
    let output = Command::new(PROGRAM)
        .arg("check")
        .arg("--config")
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What the manual page of the configuration says of a key.
fn in_manual(key: &str) -> String {
    let manual = document("packaging/man/scribed.toml.5");
    let begin = format!(".TP\n.B {key}\n");
    let (_, rest) = manual
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{key} is not in the manual page"));
    let end = rest.find("\n.TP\n").unwrap_or(rest.len());
    let end = end.min(rest.find("\n.SH ").unwrap_or(rest.len()));
    unescape(&rest[..end])
}

#[test]
fn every_documented_key_exists() {
    // The packaged file names the defaults in comments: `#key = value`.
    let packaged: String = document("packaging/scribed.toml")
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let report = check(&packaged);
    assert!(report.contains("ok       configuration: valid"), "{report}");
    let lines = packaged.lines().filter(|line| !line.starts_with('#'));
    for (key, default) in lines.filter_map(|line| line.split_once(" = ")) {
        let default = match default.trim_matches('"') {
            "" | "[]" => "Default: none",
            default => default,
        };
        let manual = in_manual(key);
        assert!(manual.contains(default), "{key}, {default}: {manual}");
    }
    let wrong = check("[upload]\nmax_sise = '1GiB'");
    assert!(wrong.contains("did you mean `upload.max_size`?"), "{wrong}");
}
