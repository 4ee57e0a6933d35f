//! Rows with individual construction.

use super::expected::Expected;
use super::kit::Kit;
use super::report::{self, Row};

/// Creates the file of that name in the folder.
type Make = dyn Fn(&Kit, &str) -> Result<Expected, String> + Send + Sync;

/// Constructs a row.
pub struct Made {
    name: String,
    file_name: String,
    make: Box<Make>,
}

impl Made {
    /// A row of this name; its file has this extension.
    pub fn new(
        name: impl Into<String>,
        extension: &str,
        make: impl Fn(&Kit, &str) -> Result<Expected, String> + Send + Sync + 'static,
    ) -> Self {
        let name = name.into();
        let slug: String = name
            .chars()
            .map(|character| match character {
                '0'..='9' | 'a'..='z' | 'A'..='Z' => character,
                _ => '-',
            })
            .collect();
        Self {
            file_name: format!("row-{slug}.{extension}"),
            name,
            make: Box::new(make),
        }
    }
}

/// Creates and checks all rows.
pub fn check_rows(group: &str, rows: Vec<Made>) {
    let rows: Vec<Made> = rows
        .into_iter()
        .filter(|row| !report::is_left_out(&row.name))
        .collect();
    let kit = Kit::new();
    let made = report::side_by_side(&rows, |row| (row.make)(&kit, &row.file_name));
    let mut judged = Vec::new();
    let mut skipped = Vec::new();
    for (row, made) in rows.into_iter().zip(made) {
        match made {
            Ok(expected) => {
                judged.push(Row::new(row.name, kit.path(&row.file_name), expected));
            }
            Err(reason) => skipped.push((row.name, reason)),
        }
    }
    report::check_rows(group, &judged, &skipped);
}
