//! What is uploaded, and what is measured while it is.

use std::io;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Place, settle};
use crate::load::upload::Measured;
use crate::load::{self, Load, Manner, verify};
use crate::sample::{Outcome, Sample, Unit, percentile};
use crate::servers::{Kind, Server, process};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A workload.
#[derive(Debug)]
pub struct Workload {
    /// What it is chosen by.
    pub letter: char,
    /// What the table says.
    pub title: &'static str,
    /// Where the server's data lies.
    pub place: Place,
    /// What its rate counts.
    pub unit: Unit,
    load: Load,
    baselines: bool,
}

/// All that every server goes through. G is in [`crate::starvation`], the others
/// are in [`crate::tasks`].
pub const ALL: [Workload; 7] = [
    Workload {
        letter: 'A',
        title: "A 1 GiB by 50 MiB",
        place: Place::Disk,
        unit: Unit::Megabytes,
        load: Load {
            uploads: 1,
            size: 1024 * MIB,
            chunk: 50 * MIB,
            connections: 1,
            manner: Manner::Whole,
        },
        baselines: true,
    },
    Workload {
        letter: 'B',
        title: "B 8 x 256 MiB by 8 MiB",
        place: Place::Disk,
        unit: Unit::Megabytes,
        load: Load {
            uploads: 8,
            size: 256 * MIB,
            chunk: 8 * MIB,
            connections: 8,
            manner: Manner::Whole,
        },
        baselines: true,
    },
    Workload {
        letter: 'C',
        title: "C 2000 x 64 KiB, 16 conns, disk",
        place: Place::Disk,
        unit: Unit::Uploads,
        load: SMALL,
        baselines: false,
    },
    Workload {
        letter: 'C',
        title: "C 2000 x 64 KiB, 16 conns, tmpfs",
        place: Place::Tmpfs,
        unit: Unit::Uploads,
        load: SMALL,
        baselines: false,
    },
    Workload {
        letter: 'D',
        title: "D 16 x 32 MiB by 8 MiB, each cut",
        place: Place::Disk,
        unit: Unit::Megabytes,
        load: Load {
            uploads: 16,
            size: 32 * MIB,
            chunk: 8 * MIB,
            connections: 16,
            manner: Manner::Broken,
        },
        baselines: false,
    },
    Workload {
        letter: 'E',
        title: "E 256 x 4 MiB by 1 MiB, 256 conns",
        place: Place::Disk,
        unit: Unit::Megabytes,
        load: Load {
            uploads: 256,
            size: 4 * MIB,
            chunk: MIB,
            connections: 256,
            manner: Manner::Whole,
        },
        baselines: false,
    },
    Workload {
        letter: 'F',
        title: "F 4000 HEAD, 16 conns",
        place: Place::Disk,
        unit: Unit::Requests,
        load: Load {
            uploads: 16,
            size: MIB,
            chunk: MIB,
            connections: 16,
            manner: Manner::Asked(250),
        },
        baselines: false,
    },
];

const SMALL: Load = Load {
    uploads: 2000,
    size: 64 * KIB,
    chunk: 64 * KIB,
    connections: 16,
    manner: Manner::Whole,
};

impl Workload {
    /// The baselines know the simple ones only.
    pub fn suits(&self, server: &Server) -> bool {
        self.baselines || !matches!(server.kind, Kind::Baseline(_))
    }
}

/// Starts a server, runs the workload, checks what the server has, ends it.
pub fn measure(bench: &Bench, workload: &Workload, server: &Server) -> Outcome {
    let running = server.start(&bench.peers, &bench.folder(workload.place))?;
    let data = running.data();
    settle(&data)?;
    let cpu_before = process::cpu_seconds(running.pid());
    let measured = load::run(&running.target, &bench.pattern, workload.load)?;
    let cpu_s = process::cpu_seconds(running.pid()) - cpu_before;
    let peak_rss_mib = process::peak_rss_mib(running.pid());
    let began = Instant::now();
    settle(&data)?;
    let written_back = began.elapsed();
    if !matches!(workload.load.manner, Manner::Asked(_)) {
        verify::verify(&running.target, &bench.pattern, &measured.uploads, &data)?;
    }
    sample(workload, measured, written_back, cpu_s, peak_rss_mib)
}

fn sample(
    workload: &Workload,
    mut measured: Measured,
    written_back: Duration,
    cpu_s: f64,
    peak_rss_mib: Option<f64>,
) -> io::Result<Sample> {
    let Load {
        uploads,
        size,
        manner,
        ..
    } = workload.load;
    let bytes = uploads as f64 * size as f64;
    let count = match workload.unit {
        Unit::Megabytes => bytes / 1e6,
        Unit::Uploads => uploads as f64,
        _ => measured.head_ms.len() as f64,
    };
    let latencies = match manner {
        Manner::Whole => &mut measured.patch_ms,
        Manner::Broken => &mut measured.resume_ms,
        Manner::Asked(_) => &mut measured.head_ms,
    };
    let writes = !matches!(manner, Manner::Asked(_));
    Ok(Sample {
        rate: count / measured.wall.as_secs_f64(),
        on_disk_rate: writes.then(|| count / (measured.wall + written_back).as_secs_f64()),
        p50_ms: percentile(latencies, 0.50),
        p99_ms: percentile(latencies, 0.99),
        cpu_s_per_gb: writes.then(|| cpu_s / (bytes / 1e9)),
        peak_rss_mib,
        extra: (measured.cut_bytes > 0).then(|| {
            (
                "% kept",
                100.0 * measured.kept_bytes as f64 / measured.cut_bytes as f64,
            )
        }),
    })
}
