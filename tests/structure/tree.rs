//! The modules of our crates, and which file imports from which.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta, UseTree, Visibility};

use super::graph::Graph;

/// All modules of the crates below a folder, by their paths; the first segment
/// names the crate.
#[derive(Debug)]
pub struct Tree(BTreeMap<Vec<String>, Module>);

#[derive(Debug, Default)]
struct Module {
    file: String,
    /// Whether it has tests at its top level.
    has_tests: bool,
    /// What `use` binds here: a name to a path as it is written.
    bound: HashMap<String, Vec<String>>,
    /// Paths that stand in code, and in `use` declarations that are private.
    mentioned: Vec<Vec<String>>,
}

impl Tree {
    /// Reads `lib.rs` and the programs in `main.rs` and `*/main.rs`, if they are there.
    pub fn read(folder: &str) -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut tree = Tree(BTreeMap::new());
        for (name, file) in [
            ("scribed", "lib.rs"),
            ("main", "main.rs"),
            ("transcriber", "transcriber/main.rs"),
        ] {
            let file = Path::new(folder).join(file);
            if root.join(&file).exists() {
                tree.add(vec![name.to_owned()], file);
            }
        }
        tree
    }

    /// Reads the program with this root file; or the part of one below a module
    /// with this path.
    pub fn program(file: &str, path: &str) -> Tree {
        let mut tree = Tree(BTreeMap::new());
        let path = path.split("::").map(str::to_owned).collect();
        tree.add(path, file.into());
        tree
    }

    /// The files with tests at their top level.
    pub fn files_with_tests(&self) -> BTreeSet<&str> {
        let modules = self.0.values().filter(|module| module.has_tests);
        modules.map(|module| &*module.file).collect()
    }

    fn add(&mut self, path: Vec<String>, file: PathBuf) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join(&file)).unwrap();
        let parsed = syn::parse_file(&text).unwrap();
        let mut module = Module {
            file: file.to_string_lossy().into_owned(),
            has_tests: parsed.items.iter().any(is_test),
            ..Module::default()
        };
        module.visit_file(&parsed);
        // Children lie beside a file that is named like a root, else in its folder.
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let dir = match &*stem {
            "lib" | "main" | "mod" => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        for item in &parsed.items {
            if let Item::Mod(child) = item
                && child.content.is_none()
                && !is_for_tests(&child.attrs)
            {
                let name = child.ident.to_string();
                let files = match path_attribute(&child.attrs) {
                    Some(path) => vec![joined(&dir, &path)],
                    None => vec![
                        dir.join(format!("{name}.rs")),
                        dir.join(&name).join("mod.rs"),
                    ],
                };
                let file = files.into_iter().find(|file| root.join(file).exists());
                self.add([path.clone(), vec![name]].concat(), file.unwrap());
            }
        }
        self.0.insert(path, module);
    }

    /// Who imports from whom, by the name that a file is counted under.
    pub fn imports(&self, named: impl Fn(&str) -> String) -> Graph {
        let mut graph = Graph::default();
        for (path, module) in &self.0 {
            for mentioned in &module.mentioned {
                if let Some(found) = self.resolve(path, mentioned, 0) {
                    graph.add(named(&module.file), named(&self.0[&found].file));
                }
            }
        }
        graph
    }

    /// The module that defines what a path in this module means; `None` for what
    /// is not ours.
    fn resolve(&self, within: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        assert!(depth < 32, "{within:?} {path:?}");
        let mut at = within.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => at.truncate(1),
            "scribed" => at = vec!["scribed".to_owned()],
            "self" => {}
            "super" => drop(at.pop()),
            name if self.child(&at, name).is_some() => rest = path,
            name => {
                let bound = self.0[within].bound.get(name)?;
                if bound.first().map(String::as_str) == Some(name) && bound.len() == 1 {
                    return None;
                }
                let bound = [bound, &path[1..]].concat();
                return self.resolve(within, &bound, depth + 1);
            }
        }
        if rest.len() == path.len() && self.child(&at, &path[0]).is_none() {
            rest = &path[1..];
        }
        while let Some((name, behind)) = rest.split_first() {
            if name == "super" {
                at.pop();
            } else if let Some(child) = self.child(&at, name) {
                at = child;
            } else if let Some(bound) = self.0.get(&at)?.bound.get(name) {
                let bound = [bound, behind].concat();
                return self.resolve(&at, &bound, depth + 1);
            } else {
                break;
            }
            rest = behind;
        }
        self.0.contains_key(&at).then_some(at)
    }

    fn child(&self, at: &[String], name: &str) -> Option<Vec<String>> {
        let child = [at, &[name.to_owned()]].concat();
        self.0.contains_key(&child).then_some(child)
    }
}

impl Module {
    fn bind(&mut self, tree: &UseTree, path: Vec<String>, is_private: bool) {
        let with = |name: String| [path.clone(), vec![name]].concat();
        let (name, path) = match tree {
            UseTree::Path(step) => {
                return self.bind(&step.tree, with(step.ident.to_string()), is_private);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.bind(tree, path.clone(), is_private);
                }
                return;
            }
            UseTree::Name(name) if name.ident == "self" => (path.last().cloned(), path),
            UseTree::Name(name) => (Some(name.ident.to_string()), with(name.ident.to_string())),
            UseTree::Rename(name) if name.ident == "self" => (Some(name.rename.to_string()), path),
            UseTree::Rename(name) => (Some(name.rename.to_string()), with(name.ident.to_string())),
            UseTree::Glob(_) => (None, path),
        };
        if is_private {
            self.mentioned.push(path.clone());
        }
        if let Some(name) = name {
            self.bound.insert(name, path);
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(ItemMod { attrs, .. }) | Item::Fn(syn::ItemFn { attrs, .. })
                if is_for_tests(attrs) => {}
            Item::Impl(one) if is_for_tests(&one.attrs) => {}
            Item::Use(one) if is_for_tests(&one.attrs) => {}
            Item::Use(one) => {
                let is_private = matches!(one.vis, Visibility::Inherited);
                self.bind(&one.tree, Vec::new(), is_private);
            }
            other => visit::visit_item(self, other),
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    // `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        // A single name is a local one, or its `use` was seen.
        if path.segments.len() > 1 {
            let segments = path.segments.iter();
            let names = segments.map(|segment| segment.ident.to_string());
            self.mentioned.push(names.collect());
        }
        visit::visit_path(self, path);
    }
}

/// Whether `cfg` leaves something out of the programs.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let condition = list.tokens.to_string();
                condition.contains("test") && !condition.contains("not")
            })
    })
}

fn is_test(item: &Item) -> bool {
    let Item::Fn(function) = item else {
        return false;
    };
    let mut attributes = function.attrs.iter();
    attributes.any(|attribute| attribute.path().is_ident("test"))
}

/// The value of `#[path = "..."]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(path),
                    ..
                }) => Some(path.value()),
                _ => None,
            },
            _ => None,
        })
}

/// A path from a folder on, without `..` in it.
fn joined(folder: &Path, path: &str) -> PathBuf {
    let mut joined = folder.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => drop(joined.pop()),
            component => joined.push(component),
        }
    }
    joined
}
