//! What the documents say is true: every configuration key of the README, of
//! the packaged file and of its manual page is one the daemon knows, with the
//! default that is told.

use std::collections::BTreeSet;
use std::process::Command;

use crate::fixtures::readme::{block, document};
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

/// `section.key` of every line of a TOML file.
fn keys(toml: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in toml.lines() {
        let line = line.split(" #").next().unwrap().trim();
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(format!("{section}{key}"));
        }
    }
    keys
}

#[test]
fn every_documented_key_exists() {
    let in_readme = &block("toml", "state_dir");
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
    for (name, toml) in [
        ("README.md", in_readme),
        ("packaging/scribed.toml", &packaged),
    ] {
        let told = check(toml);
        assert!(
            told.contains("ok       configuration: valid"),
            "{name}: {told}"
        );
    }
    assert_eq!(keys(in_readme), keys(&packaged));
    let manual = document("packaging/man/scribed.toml.5");
    for key in keys(in_readme) {
        let key = key.rsplit('.').next().unwrap();
        assert!(
            manual.contains(&format!(".B {key}")),
            "{key} is not in the manual"
        );
    }
    let wrong = check("[upload]\nmax_sise = '1GiB'");
    assert!(wrong.contains("did you mean `upload.max_size`?"), "{wrong}");
}
