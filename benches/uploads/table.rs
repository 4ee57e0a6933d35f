//! The one table.

use crate::sample::{Outcome, Sample, Unit, percentile};
use crate::servers::{Kind, Server};
use crate::workloads::Workload;

/// A server under a workload.
#[derive(Debug)]
pub struct Row {
    /// The workload.
    pub title: String,
    /// The server.
    pub server: String,
    /// What it syncs.
    pub syncs: &'static str,
    /// What the rate counts.
    pub unit: Unit,
    /// Whether a failure is ours.
    pub ours: bool,
    /// Why there is nothing to measure.
    pub missing: Option<String>,
    /// One per round that went well.
    samples: Vec<Sample>,
    /// The others.
    pub failures: Vec<String>,
}

impl Row {
    /// An empty one.
    pub fn of(workload: &Workload, server: &Server) -> Row {
        Row::titled(workload.title.into(), server, workload.unit)
    }

    /// An empty one under a title of its own.
    pub fn titled(title: String, server: &Server, unit: Unit) -> Row {
        Row {
            title,
            server: server.name.clone(),
            syncs: server.syncs(),
            unit,
            ours: matches!(server.kind, Kind::Scribed(_) | Kind::Baseline(_)),
            missing: None,
            samples: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds what a round gave, and says so.
    pub fn add(&mut self, round: usize, outcome: Outcome) {
        let Row { title, server, .. } = self;
        match outcome {
            Ok(sample) => {
                let Sample {
                    rate,
                    p50_ms,
                    p99_ms,
                    ..
                } = sample;
                let (cpu, rss) = (show(sample.cpu_s_per_gb, 2), show(sample.peak_rss_mib, 1));
                eprintln!(
                    "round {}: {title}: {server}: {rate:.1} {}, p50 {p50_ms:.2} ms, \
                     p99 {p99_ms:.2} ms, {cpu} CPU s/GB, {rss} MiB",
                    round + 1,
                    unit(self.unit)
                );
                self.samples.push(sample);
            }
            Err(error) => {
                eprintln!("round {}: {title}: {server}: {error}", round + 1);
                self.failures.push(error.to_string());
            }
        }
    }

    /// Whether a server that is not ours has failed: it would again, and slowly.
    pub fn is_given_up(&self) -> bool {
        !self.ours && !self.failures.is_empty()
    }

    fn cells(&self) -> [String; 11] {
        let median = |of: fn(&Sample) -> Option<f64>| {
            let mut values: Vec<f64> = self.samples.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| percentile(&mut values, 0.5))
        };
        let rates = || self.samples.iter().map(|sample| sample.rate);
        let spread = rates().reduce(f64::min).zip(rates().reduce(f64::max));
        let mut notes = Vec::new();
        notes.extend(self.missing.clone());
        if let Some((name, _)) = self.samples.iter().find_map(|sample| sample.extra) {
            let value = median(|sample| Some(sample.extra?.1));
            notes.push(format!("{} {name}", show(value, 1)));
        }
        if let Some(failure) = self.failures.first() {
            notes.push(format!(
                "failed in {} rounds: {failure}",
                self.failures.len()
            ));
        }
        [
            self.title.clone(),
            self.server.clone(),
            self.syncs.into(),
            show(median(|sample| Some(sample.rate)), 1),
            unit(self.unit).into(),
            spread.map_or_else(
                || "-".into(),
                |(least, most)| format!("{least:.0}..{most:.0}"),
            ),
            show(median(|sample| sample.on_disk_rate), 1),
            show(median(|sample| Some(sample.p50_ms)), 2)
                + " / "
                + &show(median(|sample| Some(sample.p99_ms)), 2),
            show(median(|sample| sample.cpu_s_per_gb), 2),
            show(median(|sample| sample.peak_rss_mib), 1),
            notes.join("; "),
        ]
    }
}

const HEAD: [&str; 11] = [
    "workload",
    "server",
    "synced",
    "rate",
    "",
    "least..most",
    "on disk",
    "p50 / p99 ms",
    "CPU s/GB",
    "RSS MiB",
    "notes",
];

/// Prints the table on standard output.
pub fn print(rows: &[Row], rounds: usize) {
    println!("\nMedians of {rounds} rounds. synced: what is on stable storage when a PATCH is");
    println!("acknowledged; on disk: the rate when the time that the system then needs to write");
    println!("the rest is added; p50 / p99: of a PATCH, in D from a lost connection to the offset");
    println!(
        "to resume at, in F of a HEAD, in G of a 64 KiB PATCH beside the load, in H and I from"
    );
    println!(
        "the PATCH with a file's last byte to the message that its text is there, in J from a"
    );
    println!(
        "PATCH to the message about it, in K of a 50 MiB PATCH, in L of the whole; CPU: of the"
    );
    println!("server's processes, not the kernel's threads, and in L of the engine alone. All of");
    println!("it checked byte for byte, and word for word.\n");
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let widths: [usize; 11] = std::array::from_fn(|column| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.chain([HEAD[column].len()]).max().unwrap_or(0)
    });
    let line = |cells: [&str; 11]| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            line += &match column {
                3 | 5..10 => format!("{cell:>width$}  "),
                _ => format!("{cell:<width$}  "),
            };
        }
        println!("{}", line.trim_end());
    };
    line(HEAD);
    let mut title = None;
    for (row, cells) in rows.iter().zip(&cells) {
        if title
            .replace(&row.title)
            .is_some_and(|before| *before != row.title)
        {
            println!();
        }
        line(cells.each_ref().map(String::as_str));
    }
}

fn show(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Megabytes => "MB/s",
        Unit::Uploads => "uploads/s",
        Unit::Requests => "requests/s",
        Unit::Tasks => "tasks/s",
        Unit::Messages => "messages/s",
        Unit::RealTime => "x real time",
    }
}
