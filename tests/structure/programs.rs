//! The tests and the benches: their files import each other in no circle, and no
//! file with tests is imported. What several use is in `tests/support` (several
//! test programs), in `fixtures` (several folders of one program) or in a folder's
//! own `support.rs`; these may have tests of their own.

use super::tree::Tree;

/// Root files and the paths of their modules. The fuzz harnesses are parts of the
/// programs in `src`, whose own files are not looked at.
const PROGRAMS: [(&str, &str); 6] = [
    ("benches/uploads/main.rs", "uploads"),
    ("tests/durability/main.rs", "durability"),
    ("tests/e2e/main.rs", "e2e"),
    ("tests/fuzz/harnesses/media/mod.rs", "media::fuzzing"),
    ("tests/fuzz/harnesses/mod.rs", "library::fuzzing"),
    ("tests/structure/main.rs", "structure"),
];

fn is_support(file: &str) -> bool {
    let places = ["/support/", "/fixtures/", "/support.rs"];
    places.iter().any(|place| file.contains(place))
}

#[test]
fn imports_of_tests_and_benches_form_no_circle() {
    for (root, path) in PROGRAMS {
        let circles = Tree::program(root, path).imports(str::to_owned).circles();
        assert!(circles.is_empty(), "{circles:#?}");
    }
}

#[test]
fn files_with_tests_are_not_imported() {
    let mut wrong = Vec::new();
    for (root, path) in PROGRAMS {
        let tree = Tree::program(root, path);
        let with_tests = tree.files_with_tests();
        for (from, to) in tree.imports(str::to_owned).edges() {
            if with_tests.contains(to) && !is_support(to) {
                wrong.push(format!("{from} imports {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn imports_are_followed_into_other_folders() {
    let tree = Tree::program("tests/e2e/main.rs", "e2e");
    let with_tests = tree.files_with_tests();
    assert!(with_tests.contains("tests/e2e/tus/protocol.rs"));
    assert!(!with_tests.contains("tests/e2e/openai/support.rs"));
    let imports = tree.imports(str::to_owned);
    let imports: Vec<_> = imports.edges().collect();
    for edge in [
        ("tests/e2e/tus/protocol.rs", "tests/support/http.rs"),
        ("tests/e2e/openai/errors.rs", "tests/e2e/openai/support.rs"),
        (
            "tests/e2e/fixtures/nginx.rs",
            "tests/e2e/fixtures/documents.rs",
        ),
    ] {
        assert!(imports.contains(&edge), "{edge:?}");
    }
}
