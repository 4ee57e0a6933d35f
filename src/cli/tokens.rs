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
    /// Create a token and print it; it cannot be shown again
    Add {
        /// Name of the person or device
        name: String,
        /// Give access to everything, not only to uploads created with this token
        #[arg(long)]
        admin: bool,
    },
    /// List the tokens
    List,
    /// Remove a token
    Remove {
        /// Name of the token
        name: String,
    },
}

/// How to apply a change.
const RELOAD: &str = "to apply the change run systemctl reload scribed (or send SIGHUP)";

impl TokensCommand {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let file = Config::load(self.config.as_deref(), &Flags::default())?
            .auth
            .tokens_file;
        match self.action {
            Action::Add { name, admin } => {
                let role = if admin { Role::Admin } else { Role::User };
                print(&format!("{}\n", tokens::add(&file, &name, role)?))?;
                eprintln!("the token cannot be shown again; {RELOAD}");
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
