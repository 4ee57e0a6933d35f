//! Unit tests that give every committed input to its target.

use std::path::{Path, PathBuf};

/// The folder of all that is about fuzzing.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// Runs every committed input, and those that were found once.
pub fn replay(target: &str, harness: fn(&[u8])) {
    let inputs = std::fs::read_dir(folder().join("corpus").join(target)).unwrap();
    let mut count = 0;
    for input in inputs {
        let path = input.unwrap().path();
        println!("{}", path.display());
        harness(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target} has no inputs");
}

/// A test for each target, and one that none is missing of those whose names
/// begin so (`true`), or do not (`false`).
macro_rules! targets {
    ($prefix:literal, $begin:literal; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                super::replay::replay(stringify!($name), super::$name);
            }
        )*

        #[test]
        fn every_target_has_a_harness_and_inputs() {
            use std::collections::BTreeSet;
            let here = super::replay::folder();
            let names = |folder: &str| -> BTreeSet<String> {
                let entries = std::fs::read_dir(here.join(folder)).unwrap();
                let paths = entries.map(|entry| entry.unwrap().path());
                let stems = paths.map(|path| path.file_stem().unwrap().to_string_lossy().into());
                stems.filter(|name: &String| name.starts_with($prefix) == $begin).collect()
            };
            let known = [$(stringify!($name).to_owned()),*].into();
            assert_eq!(names("corpus"), known);
            assert_eq!(names("targets"), known);
            let manifest = std::fs::read_to_string(here.join("Cargo.toml")).unwrap();
            for name in known {
                assert!(manifest.contains(&format!("\"targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

pub(super) use targets;
