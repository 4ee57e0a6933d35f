//! Writes the manual pages and shell completions of `scribed`, from its own
//! description of its command line, into the folder named on the command line.
//! Part of building the package, see `build-deb`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Error, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use scribed::cli::Cli;

/// What clap does not know about the program, as roff.
const FILES: &str = r"
.SH FILES
.TP
.I /etc/scribed/scribed.toml
Configuration, see \fBscribed.toml\fR(5).
.TP
.I /etc/scribed/tokens
Access tokens, as hashes.
.TP
.I /var/lib/scribed
Uploads, tasks and transcripts.
.TP
.I /var/lib/scribed\-models
Whisper models, \fIggml\-NAME.bin\fR.
.SH EXIT STATUS
0: done. 1: failed, one line on standard error says why. 2: wrong usage.
";

/// Units belong to the overview only.
const UNITS: &str = r"
.SH UNITS
.TP
.B scribed.socket
Holds the address, port 8000, and starts the daemon.
.TP
.B scribed.service
The daemon; \fBsystemctl reload scribed\fR reads the access tokens again.
.TP
.BR scribed\-transcriber.socket ,\  scribed\-transcriber.service
The engine, which keeps the model loaded. Restart it after a change of model.
.TP
.BR scribed\-sweep.timer ,\  scribed\-sweep.service
\fBscribed sweep\fR, every minute.
";

const SEE_ALSO: &str = r"
.SH SEE ALSO
.BR scribed (1),
.BR scribed.toml (5),
.BR scribed\-callbacks (7),
.BR scribed\-durability (7),
.BR scribed\-http (7),
.BR scribed\-proxy (7)
";

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: manual FOLDER");
        return ExitCode::from(2);
    };
    match write_all(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manual: {}: {error}", PathBuf::from(folder).display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &OsString) -> Result<(), Error> {
    let mut command = Cli::command();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        generate_to(shell, &mut command, "scribed", folder)?;
    }
    // A page for `scribed help` would say nothing.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_pages(&command, Path::new(folder), UNITS)
}

/// The page of a command and those of its subcommands.
fn write_pages(command: &Command, folder: &Path, units: &str) -> Result<(), Error> {
    for subcommand in command.get_subcommands() {
        write_pages(subcommand, folder, "")?;
    }
    let version = concat!("scribed ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone()).source(version).manual("scribed");
    let mut file = File::create(folder.join(page.get_filename()))?;
    page.render(&mut file)?;
    file.write_all(units.as_bytes())?;
    file.write_all(FILES.as_bytes())?;
    file.write_all(SEE_ALSO.as_bytes())
}
