//! A file with more than 500 lines gives its reason in its module documentation,
//! in a sentence that begins with "Over 500 lines because".

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;
const REASON: &str = "Over 500 lines because ";

/// The Rust files below a folder, without build output and packages of npm.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("node_modules") {
                files.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Whether the module documentation gives a reason for the length.
fn gives_reason(source: &str) -> bool {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = lines.map(str::trim).collect();
    lines.join(" ").contains(REASON)
}

#[test]
fn long_files_give_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut long = Vec::new();
    for folder in ["benches", "packaging", "src", "tests"] {
        for file in rust_files(&root.join(folder)) {
            let source = fs::read_to_string(&file).unwrap();
            let lines = source.lines().count();
            if lines > LINES_MAX && !gives_reason(&source) {
                let name = file.strip_prefix(root).unwrap();
                long.push(format!("{} ({lines} lines)", name.display()));
            }
        }
    }
    long.sort();
    assert!(
        long.is_empty(),
        "more than {LINES_MAX} lines, and no sentence with {REASON:?} in the module \
         documentation: {long:#?}"
    );
}

#[test]
fn reasons_are_found_in_the_module_documentation_alone() {
    for (source, expected) in [
        (
            "//! A.\n//!\n//! Over 500 lines because it is\n//! a table.\n\nuse a;",
            true,
        ),
        (
            "//! A table. Over 500\n//! lines because of its rows.\n",
            true,
        ),
        (
            "//! A table.\n\n// Over 500 lines because of its rows.\n",
            false,
        ),
        ("//! Over 500 lines.\n", false),
    ] {
        assert_eq!(gives_reason(source), expected, "{source}");
    }
}
