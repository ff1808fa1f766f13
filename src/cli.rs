//! The command line: one file per command. Commands write to an `impl Write` and return an exit code; nothing here decides
//! anything about a request.

pub mod args;
pub mod config;
pub mod key_material;
pub mod load;
pub mod serve;
pub mod summary;

use std::io::{self, Write};

use args::{Args, Command};

/// What the process ends with (contract, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// A check failed, or nothing was found.
    Failure,
    /// The configuration or the command line is invalid.
    Invalid,
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Invalid => 2,
        }
    }
}

/// Runs a command; what it has to say goes to `out`.
///
/// # Errors
/// Those of `out` and of the system; everything that the operator can mend is printed and has an exit code.
pub async fn dispatch(args: Args, out: &mut impl Write) -> io::Result<Exit> {
    match args.command {
        Command::Serve { demo } => serve::serve(args.config, demo, out).await,
        Command::Config => {
            let Some(loaded) = load::load(&load::sources(args.config), &mut io::stderr())? else {
                return Ok(Exit::Invalid);
            };
            config::print(&loaded, out)?;
            Ok(Exit::Success)
        }
    }
}
