//! The documents hold together: links and anchors lead somewhere, references to
//! manual pages name existing ones, pages are well-formed, the README is short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixtures::documents::{document, unescape};
use crate::support::daemon::PROGRAM;

/// The manual pages that are written by hand, by file name.
fn pages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut pages: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    pages.sort();
    pages
}

/// Every `README.md` and the changelog, relative to the source tree.
fn markdown() -> Vec<PathBuf> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            let is_ours = !["target", "node_modules"].contains(&&*name) && !name.starts_with('.');
            if is_ours && path.is_dir() && !path.is_symlink() {
                collect(&path, found);
            } else if name == "README.md" {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for folder in ["benches", "packaging", "src", "systemd", "tests"] {
        collect(&root.join(folder), &mut found);
    }
    let relative = |path: &PathBuf| path.strip_prefix(root).unwrap().to_owned();
    found.iter().map(relative).collect()
}

/// The prose of a Markdown document: no blocks of code.
fn prose(markdown: &str) -> String {
    let mut is_fenced = false;
    let mut prose = String::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced && !line.starts_with("    ") {
            prose += line;
            prose.push('\n');
        }
    }
    prose
}

/// The addresses of all links.
fn links(prose: &str) -> Vec<&str> {
    let ends = prose.split("](").skip(1);
    ends.map(|rest| rest.split(')').next().unwrap()).collect()
}

/// The anchors that GitHub gives the headings.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let prose = prose(markdown);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        text.chars().filter(kept).collect::<String>()
    };
    headings
        .map(|heading| anchor(heading).replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    let mut followed = 0;
    for path in markdown() {
        let text = prose(&document(path.to_str().unwrap()));
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root.join(&path),
                file => root.join(&path).parent().unwrap().join(file),
            };
            let leads = match anchor {
                "" => target.exists(),
                anchor => fs::read_to_string(&target)
                    .is_ok_and(|markdown| anchors(&markdown).contains(anchor)),
            };
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links: {broken:#?}");
    assert!(followed > 30, "only {followed} links were found");
}

#[test]
fn anchors_are_those_of_github() {
    let markdown = "# One, two's `three`\n```sh\n# no heading\n```\n## A new … go?\n";
    let expected = ["one-twos-three", "a-new--go"].map(str::to_owned);
    assert_eq!(anchors(markdown), BTreeSet::from(expected));
}

/// The pages that the package writes about the subcommands: `scribed-send(1)`.
fn generated_pages() -> BTreeSet<String> {
    fn add(command: &[&str], found: &mut BTreeSet<String>) {
        let name = [&["scribed"], command].concat().join("-");
        found.insert(format!("{name}(1)"));
        let output = Command::new(PROGRAM).args(command).arg("--help").output();
        let help = String::from_utf8(output.unwrap().stdout).unwrap();
        let Some((_, list)) = help.split_once("Commands:\n") else {
            return;
        };
        let lines = list.lines().take_while(|line| line.starts_with("  "));
        let names = lines.filter_map(|line| line.split_whitespace().next());
        for name in names.filter(|name| *name != "help") {
            add(&[command, &[name]].concat(), found);
        }
    }
    let mut found = BTreeSet::new();
    add(&[], &mut found);
    found
}

/// The references to pages of scribed in a text: `name(section)`, also in roff's
/// `.BR name (section)`.
fn references(text: &str) -> Vec<String> {
    let text = unescape(text).replace("](", " ");
    let mut found = Vec::new();
    for (at, _) in text.match_indices('(') {
        let section = match &text.as_bytes()[at + 1..] {
            [digit @ b'1'..=b'8', b')', ..] => char::from(*digit),
            _ => continue,
        };
        let before = text[..at].trim_end_matches(' ');
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
        let name = &before[before.trim_end_matches(is_name).len()..];
        if name.starts_with("scribed") {
            found.push(format!("{name}({section})"));
        }
    }
    found
}

/// `name.7` as `name(7)`.
fn as_reference(file: &str) -> String {
    let (name, section) = file.rsplit_once('.').unwrap();
    format!("{name}({section})")
}

#[test]
fn every_reference_names_a_page() {
    let mut known = generated_pages();
    assert!(known.contains("scribed-tokens-add(1)"), "{known:?}");
    known.extend(pages().iter().map(|page| as_reference(page)));
    let mut documents: Vec<String> = pages()
        .iter()
        .map(|page| format!("packaging/man/{page}"))
        .collect();
    documents.extend(markdown().iter().map(|path| path.display().to_string()));
    documents.extend(["packaging/manual.rs", "packaging/scribed.toml"].map(str::to_owned));
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    for unit in fs::read_dir(units).unwrap() {
        let name = unit.unwrap().file_name().into_string().unwrap();
        documents.push(format!("systemd/{name}"));
    }
    let mut broken = Vec::new();
    for path in documents {
        for reference in references(&document(&path)) {
            if !known.contains(&reference) {
                broken.push(format!("{path}: {reference}"));
            }
        }
    }
    assert!(broken.is_empty(), "no such pages: {broken:#?}");
}

#[test]
fn every_page_links_the_others() {
    let overview = document("packaging/manual.rs");
    for page in pages() {
        let text = document(&format!("packaging/man/{page}"));
        let (_, see_also) = text.split_once(".SH SEE ALSO\n").expect(&page);
        let linked = references(see_also);
        for other in pages().iter().filter(|other| **other != page) {
            let other = as_reference(other);
            assert!(linked.contains(&other), "{page} does not link {other}");
        }
        let this = as_reference(&page);
        assert!(
            references(&overview).contains(&this),
            "scribed(1) does not link {this}"
        );
    }
}

/// What is wrong with a page that groff would not mention.
fn faults(page: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let (name, section) = page.rsplit_once('.').unwrap();
    let title = format!(".TH {} {section} ", name.to_uppercase());
    if !text.starts_with(&title) {
        faults.push(format!("it does not begin with {title}"));
    }
    let escaped = name.replace('-', "\\-");
    if !text.contains(&format!("\n.SH NAME\n{escaped} \\- ")) {
        faults.push("section NAME is not `name \\- summary`".to_owned());
    }
    let mut is_literal = false;
    for line in text.lines() {
        match line {
            ".EX" => is_literal = true,
            ".EE" => is_literal = false,
            // Else they are shown as other characters, and cannot be pasted.
            _ if is_literal => {
                let is_raw = |(at, c)| "-'^~`".contains(c) && !line[..at].ends_with('\\');
                if line.char_indices().any(is_raw) {
                    faults.push(format!("not escaped: {line}"));
                }
            }
            _ => {}
        }
    }
    for (begin, end) in [(".EX", ".EE"), (".RS", ".RE"), (".nf", ".fi")] {
        let count = |word| {
            text.lines()
                .filter(|line| line.split(' ').next() == Some(word))
                .count()
        };
        if count(begin) != count(end) {
            faults.push(format!("{begin} without {end}"));
        }
    }
    faults
}

#[test]
fn pages_are_well_formed() {
    for page in pages() {
        let text = document(&format!("packaging/man/{page}"));
        assert_eq!(faults(&page, &text), Vec::<String>::new(), "{page}");
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(format!("packaging/man/{page}"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("groff is installed (make manual-packages)");
        let complaints = String::from_utf8_lossy(&groff.stderr);
        assert!(
            groff.status.success() && complaints.is_empty(),
            "{complaints}"
        );
    }
    let broken = ".TH A 7 x\n.SH NAME\na - b\n.EX\nx -y\n";
    assert_eq!(faults("a.7", broken).len(), 3, "{broken}");
}

#[test]
fn the_readme_is_short() {
    let lines = document("README.md").lines().count();
    assert!(lines <= 150, "README.md has {lines} lines");
}
