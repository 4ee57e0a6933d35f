//! The shape of the source tree: imports run one way, and files are short.
//!
//! Two rules, for everything but tests: files below `src` import each other in
//! no circle, nor do its folders; and below `src/http` a file imports only from
//! rungs below its own (see the head of `src/http/mod.rs`). For tests and benches
//! see [programs], for the length of files [lengths].

mod graph;
mod lengths;
mod programs;
mod tree;

use std::collections::BTreeSet;

use tree::Tree;

/// The rungs of `src/http`, lowest first; those on one rung do not know each other.
const LADDER: [&[&str]; 13] = [
    &["reply"],
    &["headers"],
    &["sources", "connection"],
    &["error"],
    &["static_files"],
    &["app"],
    &["auth", "owned"],
    &["upload_request", "pages"],
    &["tasks"],
    &["uploads", "intake", "live"],
    &["openai"],
    &["routes"],
    &["server"],
];

#[test]
fn no_files_import_each_other_in_a_circle() {
    let tree = Tree::read("src");
    let circles = tree.imports(str::to_owned).circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn no_folders_import_each_other_in_a_circle() {
    let tree = Tree::read("src");
    let folder = |file: &str| {
        let below = file.strip_prefix("src/").unwrap_or(file);
        let first = below.split('/').next().unwrap_or(below);
        first.trim_end_matches(".rs").to_owned()
    };
    let circles = tree.imports(folder).circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn http_imports_climb_no_rung() {
    let tree = Tree::read("src");
    let rung = |room: &str| LADDER.iter().position(|rung| rung.contains(&room));
    let mut climbing = BTreeSet::new();
    for (from, to) in tree.imports(str::to_owned).edges() {
        let (Some(importer), Some(imported)) = (room(from), room(to)) else {
            continue;
        };
        let (Some(above), Some(below)) = (rung(importer), rung(imported)) else {
            panic!("the ladder has no rung for {from} or {to}");
        };
        if importer != imported && above <= below {
            climbing.insert(format!("{from} imports {to}"));
        }
    }
    assert_eq!(climbing, BTreeSet::new());
}

#[test]
fn circles_and_imports_are_found() {
    let tree = Tree::read("tests/structure/example");
    let imports = tree.imports(str::to_owned);
    let found: Vec<String> = imports
        .edges()
        .map(|(from, to)| format!("{from} {to}").replace("tests/structure/example/", ""))
        .collect();
    assert_eq!(
        found,
        [
            "a.rs b/inner.rs", // through a re-export
            "b/inner.rs c.rs", // from a path without `use`
            "c.rs a.rs",
            "d.rs c.rs", // through a name bound by `use`
        ]
    );
    // The fourth is no part of the circle.
    let circle: Vec<String> = found[..3]
        .iter()
        .map(|edge| edge.replace(' ', " imports "))
        .collect();
    let circles = imports.circles();
    let without_folder = |edge: &String| edge.replace("tests/structure/example/", "");
    assert_eq!(
        circles.iter().map(without_folder).collect::<Vec<_>>(),
        circle
    );
}

/// The file or folder of `src/http` that a file belongs to.
fn room(file: &str) -> Option<&str> {
    let below = file.strip_prefix("src/http/")?;
    let first = below.split('/').next()?;
    let name = first.trim_end_matches(".rs");
    (name != "mod").then_some(name)
}
