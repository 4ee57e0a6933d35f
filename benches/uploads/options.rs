//! The command line.

use std::io;
use std::path::PathBuf;

use clap::Parser;

use crate::baselines::Baseline;
use crate::servers::{self, Kind, Scribed, Server};

/// Measures scribed, other TUS servers and two baselines, and prints one table.
#[derive(Debug, Parser)]
pub struct Options {
    /// How often everything is measured
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Letters of workloads, for example A,C; without it all of A to L
    #[arg(long, value_delimiter = ',')]
    only: Vec<char>,
    /// Servers among scribed, rustus, rustus-fsync, tus-node, tuspyserver, plain, limit; without it all
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// Builds of scribed to compare, PATH or NAME=PATH; without it the one built with this bench
    #[arg(long, value_delimiter = ',')]
    scribed: Vec<String>,
    /// Where the other servers are installed; what is uploaded goes there too
    #[arg(long, default_value = "target/bench")]
    pub peers: PathBuf,
    /// Be a baseline (this program starts itself so)
    #[arg(long, requires = "data", hide = true)]
    pub serve: Option<Baseline>,
    /// The baseline's folder
    #[arg(long, hide = true)]
    pub data: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether a workload was asked for.
    pub fn chosen(&self, letter: char) -> bool {
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|only| only.eq_ignore_ascii_case(&letter))
    }

    /// The servers that were asked for.
    pub fn servers(&self) -> io::Result<Vec<Server>> {
        let all = servers::ALL.map(str::to_owned);
        let names = if self.servers.is_empty() {
            &all[..]
        } else {
            &self.servers
        };
        let mut chosen = Vec::new();
        for name in names {
            if name == "scribed" {
                chosen.extend(self.builds());
            } else {
                let server = Server::named(name);
                chosen.push(
                    server
                        .ok_or_else(|| io::Error::other(format!("no server is called {name}")))?,
                );
            }
        }
        Ok(chosen)
    }

    fn builds(&self) -> Vec<Server> {
        let own = [env!("CARGO_BIN_EXE_scribed").to_owned()];
        let builds = if self.scribed.is_empty() {
            &own[..]
        } else {
            &self.scribed
        };
        let build = |build: &String| {
            let (name, program) = build.split_once('=').unwrap_or(("scribed", build));
            // Servers are started in folders of their own. One that is not there is reported later.
            let program = std::path::absolute(program).unwrap_or_else(|_| program.into());
            Server {
                name: name.to_owned(),
                kind: Kind::Scribed(Scribed {
                    program,
                    ingest_threads: 1,
                    transcribes: false,
                }),
            }
        };
        builds.iter().map(build).collect()
    }
}
