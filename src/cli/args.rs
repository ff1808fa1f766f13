//! What can be said on the command line. The doc comments are what `--help` prints.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// An OpenAI-compatible reverse proxy that gives every OpenRouter request its caller's sign.
///
/// Point an app's base URL at callsign. Every request is authenticated, stripped of client-supplied identifiers, given the
/// identifiers that the operator's valves allow, and its response relayed byte for byte.
#[derive(Debug, Parser)]
#[command(name = "callsign", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Args {
    /// The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy.
    ///
    /// Exit codes: 0 ended by a signal, 1 could not start, 2 configuration invalid (every problem is printed).
    Serve {
        /// Run without an OpenRouter account: answers come from a stand-in that shows what it received.
        #[arg(long)]
        demo: bool,
    },
    /// Print the effective configuration with the source of each value; secrets are shown as ***.
    Config,
}
