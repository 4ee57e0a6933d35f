//! `scribed tokens`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::terminal::{Failure, print};
use crate::access::tokens::{self, Role, Tokens};
use crate::config::{Config, Flags};

#[derive(Debug, Args)]
pub(super) struct TokensCommand {
    #[command(subcommand)]
    action: Action,
    /// Configuration file [default: /etc/scribed/scribed.toml if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, this once
    Add {
        /// Of the person or device it is for
        name: String,
        /// It may see and delete everything, not only what was made with it
        #[arg(long)]
        admin: bool,
    },
    /// Show which tokens there are
    List,
    /// Take a token away
    Remove {
        /// Its name
        name: String,
    },
}

/// What must be done for a change to count.
const RELOAD: &str = "it counts once the daemon has read it: systemctl reload scribed (or SIGHUP)";

impl TokensCommand {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let file = Config::load(self.config.as_deref(), &Flags::default())?
            .auth
            .tokens_file;
        match self.action {
            Action::Add { name, admin } => {
                let role = if admin { Role::Admin } else { Role::User };
                print(&format!("{}\n", tokens::add(&file, &name, role)?))?;
                eprintln!("this is the only time it is shown; {RELOAD}");
            }
            Action::List => {
                for token in Tokens::load(&file)?.iter() {
                    let role = match token.role {
                        Role::User => "user",
                        Role::Admin => "admin",
                    };
                    print(&format!("{}\t{role}\t{}\n", token.name, token.created))?;
                }
            }
            Action::Remove { name } => {
                tokens::remove(&file, &name)?;
                eprintln!("removed; {RELOAD}");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
