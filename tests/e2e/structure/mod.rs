//! How the source files are laid out.
//!
//! * A file with more than 500 lines gives its reason in its module
//!   documentation, in a sentence that begins with "Over 500 lines because".
//! * No test module is imported by another one: what several use is in
//!   `tests/support` (several test programs), in `fixtures` (several folders of
//!   one program) or in a folder's own `support.rs`.
//! * No files of the tests and the benches import each other in a circle.

mod modules;

use std::fs;
use std::path::{Path, PathBuf};

use modules::Program;

const LINES_MAX: usize = 500;
const REASON: &str = "Over 500 lines because ";

/// The root files of the test programs, and their module paths.
const TESTS: [(&str, &str); 2] = [
    ("tests/e2e/main.rs", "crate"),
    ("tests/durability/main.rs", "crate"),
];

/// The same of everything outside `src`. The fuzz harnesses are modules of
/// programs in `src`, whose own files are not looked at.
const ALL: [(&str, &str); 5] = [
    TESTS[0],
    TESTS[1],
    ("benches/uploads/main.rs", "crate"),
    ("tests/fuzz/harnesses/mod.rs", "crate::fuzzing"),
    ("tests/fuzz/harnesses/media/mod.rs", "crate::media::fuzzing"),
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

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
    let mut long = Vec::new();
    for folder in ["benches", "src", "tests"] {
        for file in rust_files(&project().join(folder)) {
            let source = fs::read_to_string(&file).unwrap();
            let lines = source.lines().count();
            if lines > LINES_MAX && !gives_reason(&source) {
                let name = file.strip_prefix(project()).unwrap();
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
fn test_modules_import_only_support() {
    for (root, path) in TESTS {
        let program = Program::read(&project().join(root), path);
        let wrong: Vec<String> = program
            .imports()
            .filter(|(importing, imported)| {
                imported.has_tests() && !imported.is_support() && !imported.is_child_of(importing)
            })
            .map(|(importing, imported)| format!("{importing} imports {imported}"))
            .collect();
        assert!(wrong.is_empty(), "{root}: {wrong:#?}");
    }
}

#[test]
fn imports_form_no_circle() {
    for (root, path) in ALL {
        let circle = Program::read(&project().join(root), path).circle();
        assert!(circle.is_empty(), "{root}: {circle:#?}");
    }
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
