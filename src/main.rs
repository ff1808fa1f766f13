//! The program: allocator, arguments, exit code. Everything else is in the library.

use std::io::ErrorKind::BrokenPipe;
use std::io::Write;
use std::process::ExitCode;

use callsign::cli::args::Args;
use callsign::cli::{self, Exit};
use callsign::terminal::Screen;
use clap::Parser;

/// mimalloc instead of musl's slow allocator. Its feature `no_thp` turns huge pages off: with them every buffer of an
/// idle stream is resident as a whole, measured as 72 KiB per stream instead of 44.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match cli::run(args) {
        Ok(exit) => ExitCode::from(exit.code()),
        // The reader of the output is gone, as in `callsign config | head`.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _stderr_closed = writeln!(Screen::stderr(), "callsign: {error:#}");
            ExitCode::from(Exit::Failure.code())
        }
    }
}
