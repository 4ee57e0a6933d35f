//! A graph of imports, and the circles in it.

use std::collections::{BTreeMap, BTreeSet};

/// Files or folders and what they import, never themselves.
#[derive(Debug, Default)]
pub struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// One more import.
    pub fn add(&mut self, from: String, to: String) {
        if from != to {
            self.0.entry(from).or_default().insert(to);
        }
    }

    /// All imports, sorted.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.flat_map(|(from, all)| all.iter().map(move |to| (from.as_str(), to.as_str())))
    }

    /// The imports that lie on a circle, for people.
    pub fn circles(&self) -> Vec<String> {
        let returns = |(from, to): &(&str, &str)| self.reachable(to).contains(from);
        let edges = self.edges().filter(returns);
        edges
            .map(|(from, to)| format!("{from} imports {to}"))
            .collect()
    }

    fn reachable<'a>(&'a self, from: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.imports_of(from).collect();
        while let Some(node) = next.pop() {
            if reached.insert(node) {
                next.extend(self.imports_of(node));
            }
        }
        reached
    }

    fn imports_of(&self, node: &str) -> impl Iterator<Item = &str> {
        self.0.get(node).into_iter().flatten().map(String::as_str)
    }
}
