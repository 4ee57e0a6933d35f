//! The modules of a program, and which of them import which, as far as `use`
//! and paths say.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};

/// A module in a file of its own.
#[derive(Debug)]
pub struct Module {
    /// Its path, from `crate` on.
    path: Vec<String>,
    /// Without comments and without what is in quotes.
    source: String,
}

impl Display for Module {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path.join("::"))
    }
}

impl Module {
    /// Whether it has tests at its top level: other modules do not import it.
    pub fn has_tests(&self) -> bool {
        self.source.lines().any(|line| line == "#[test]")
    }

    /// Whether it is made for other modules to import.
    pub fn is_support(&self) -> bool {
        let is_support = |name: &String| name == "support" || name == "fixtures";
        self.path.iter().any(is_support)
    }

    /// Whether `parent` declares it.
    pub fn is_child_of(&self, parent: &Module) -> bool {
        self.path
            .split_last()
            .is_some_and(|(_, path)| *path == parent.path)
    }

    /// Where the paths in it lead, from `crate` on. That of an inline module's
    /// `super` is this one.
    fn paths(&self, children: &BTreeSet<&String>) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        let mut is_inline = false;
        let mut rest = String::new();
        for line in self.source.lines() {
            if line.starts_with('}') {
                is_inline = false;
            }
            is_inline |= line.starts_with("mod ") && line.ends_with('{');
            match is_inline {
                true => rest += &line.replacen("super::", "self::", 1),
                false => rest += line,
            }
            rest.push('\n');
        }
        let mut scanner = Scanner::new(&rest);
        while let Some(first) = scanner.next_start() {
            let mut from = match &*first {
                "crate" => vec![first],
                "self" => self.path.clone(),
                "super" => match self.path.split_last() {
                    Some((_, parent)) => parent.to_vec(),
                    None => continue,
                },
                name if children.contains(&first) => [&self.path[..], &[name.to_owned()]].concat(),
                _ => continue,
            };
            scanner.rest_of_path(&mut from, &mut paths);
        }
        paths
    }
}

/// All modules of a program.
#[derive(Debug)]
pub struct Program {
    modules: Vec<Module>,
}

impl Program {
    /// The program, or a part of it, with this root file and the path of its
    /// module.
    pub fn read(root: &Path, path: &str) -> Program {
        let mut program = Program {
            modules: Vec::new(),
        };
        let path = path.split("::").map(str::to_owned).collect();
        program.add(path, root, root.parent().unwrap());
        program
    }

    /// Adds a file and those of the modules that it declares, which are in
    /// `folder`.
    fn add(&mut self, path: Vec<String>, file: &Path, folder: &Path) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let mut attribute = None;
        for line in source.lines() {
            if let Some(path) = line.strip_prefix("#[path = \"") {
                attribute = path.strip_suffix("\"]").map(str::to_owned);
            }
            let declared = line.strip_prefix("pub ").unwrap_or(line);
            let declared = declared.strip_prefix("mod ");
            let Some(name) = declared.and_then(|line| line.strip_suffix(';')) else {
                continue;
            };
            let (file, below) = match attribute.take() {
                // The folder of the declaring file, as it is `main.rs` or `mod.rs`.
                Some(at) => {
                    let file = folder.join(at);
                    (file.clone(), file.parent().unwrap().to_owned())
                }
                None => named(folder, name),
            };
            let path = [&path[..], &[name.to_owned()]].concat();
            self.add(path, &file, &below);
        }
        let source = code_of(&source);
        self.modules.push(Module { path, source });
    }

    /// The innermost module that a path leads into; none outside this part.
    fn target(&self, path: &[String]) -> Option<&Module> {
        let is_at = |module: &&Module| path.starts_with(&module.path);
        let found = self.modules.iter().filter(is_at);
        found.max_by_key(|module| module.path.len())
    }

    /// Pairs of a module and one that it imports.
    pub fn imports(&self) -> impl Iterator<Item = (&Module, &Module)> {
        self.modules.iter().flat_map(move |module| {
            let children = self
                .modules
                .iter()
                .filter(|other| other.is_child_of(module));
            let children = children.filter_map(|child| child.path.last()).collect();
            let targets = module.paths(&children).into_iter();
            targets
                .filter_map(move |path| Some((module, self.target(&path)?)))
                .filter(|(module, target)| module.path != target.path)
        })
    }

    /// Imports that lead back to where they come from, and those between such
    /// circles; none if there is no circle.
    pub fn circle(&self) -> BTreeSet<String> {
        let mut imports: Vec<(&Module, &Module)> = self.imports().collect();
        loop {
            let before = imports.len();
            let goes_on = |module: &Module, imports: &[(&Module, &Module)]| {
                imports.iter().any(|(from, _)| from.path == module.path)
            };
            let is_reached = |module: &Module, imports: &[(&Module, &Module)]| {
                imports.iter().any(|(_, to)| to.path == module.path)
            };
            let all = imports.clone();
            imports.retain(|(from, to)| goes_on(to, &all) && is_reached(from, &all));
            if imports.len() == before {
                break;
            }
        }
        let lines = imports
            .iter()
            .map(|(from, to)| format!("{from} imports {to}"));
        lines.collect()
    }
}

/// The file of a module, and the folder of its own modules.
fn named(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let below = folder.join(name);
    let file = below.with_extension("rs");
    match file.exists() {
        true => (file, below),
        false => (below.join("mod.rs"), below),
    }
}

/// The code without comments and without what is in quotes; the line breaks stay.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if c == '"' {
            end_of_string(rest)
        } else if c == 'r' && !code.ends_with(is_of_word) && is_raw_string(rest) {
            let hashes = &rest[1..rest.find('"').unwrap()];
            let end = format!("\"{hashes}");
            let begin = 1 + end.len();
            begin + rest[begin..].find(&end).unwrap() + end.len()
        } else if c == '\'' {
            end_of_char(rest)
        } else {
            code.push(c);
            c.len_utf8()
        };
        let (read, behind) = rest.split_at(length);
        if read.len() > 1 {
            code.extend(read.chars().filter(|&c| c == '\n'));
        }
        rest = behind;
    }
    code
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_raw_string(source: &str) -> bool {
    source[1..].trim_start_matches('#').starts_with('"')
}

/// The bytes of the string literal that the source begins with.
fn end_of_string(source: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in source.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    source.len()
}

/// The bytes of the character literal that the source begins with; 1 if it is the
/// quote of a lifetime.
fn end_of_char(source: &str) -> usize {
    let mut chars = source.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let behind = at + escaped.len_utf8();
            behind + source[behind..].find('\'').unwrap() + 1
        }
        (_, Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Reads words, `::` and braces.
struct Scanner<'a> {
    rest: &'a str,
    last: char,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a str) -> Scanner<'a> {
        Scanner {
            rest: source,
            last: ' ',
        }
    }

    fn word(&mut self) -> Option<String> {
        let end = self
            .rest
            .find(|c| !is_of_word(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (end > 0).then(|| word.to_owned())
    }

    fn skip(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// The next word that has `::` behind it and none before it.
    fn next_start(&mut self) -> Option<String> {
        loop {
            let Some(word) = self.word() else {
                let c = self.rest.chars().next()?;
                self.rest = &self.rest[c.len_utf8()..];
                self.last = c;
                continue;
            };
            let is_first = !matches!(self.last, ':' | '.');
            self.last = ' ';
            if is_first && self.rest.starts_with("::") {
                return Some(word);
            }
        }
    }

    /// Everything that a path behind its first word leads to: several items
    /// where it ends in braces. A `super` in the middle leads up.
    fn rest_of_path(&mut self, from: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
        while self.skip("::") {
            if self.skip("{") {
                while !self.skip("}") {
                    let mut item = from.clone();
                    self.rest = self.rest.trim_start();
                    match self.word() {
                        Some(word) => item.push(word),
                        None if self.skip("*") => {}
                        None => return,
                    }
                    self.rest_of_path(&mut item, paths);
                    if self.skip("as ") {
                        self.word();
                    }
                    self.skip(",");
                }
                return;
            }
            match self.word() {
                Some(word) if word == "super" => drop(from.pop()),
                Some(word) => from.push(word),
                None if self.skip("*") => {}
                // A generic argument, or a macro's variable.
                None => return,
            }
        }
        paths.push(from.clone());
    }
}

#[test]
fn paths_are_followed_into_braces_and_inline_modules() {
    let module = Module {
        path: ["crate", "a", "b"].map(str::to_owned).to_vec(),
        source: "use crate::x::{self, y::{One, Two as Three}, z::*};\nuse super::sibling::Item;\n\
                 pub use child::run;\nlet it = std::fs::read(super::super::top());\n\
                 let no = value.child::<T>(other::child::THING);\nmod tests {\n    \
                 use super::*;\n    fn f() {\n        super::g();\n    }\n}\nsuper::$name"
            .into(),
    };
    let child = "child".to_owned();
    let paths = module.paths(&BTreeSet::from([&child]));
    let paths: Vec<String> = paths.iter().map(|path| path.join("::")).collect();
    let expected = [
        "crate::x::self",
        "crate::x::y::One",
        "crate::x::y::Two",
        "crate::x::z",
        "crate::a::sibling::Item",
        "crate::a::b::child::run",
        "crate::top",
        "crate::a::b",
        "crate::a::b::g",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn comments_and_literals_are_no_code() {
    for (source, code) in [
        ("a // b\nc", "a \nc"),
        ("a(\"b\\\" // \n\\\\\", c)", "a(\n, c)"),
        ("a(r#\"b\"c\"#, r\"\\\", for\"d\")", "a(, , for)"),
        (
            "fn a<'b>(c: &'b str) {'\"'; '\\''; '\\u{7f}'}",
            "fn a<b>(c: &b str) {; ; }",
        ),
    ] {
        assert_eq!(code_of(source), code);
    }
}
