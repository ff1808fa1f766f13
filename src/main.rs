//! The program: allocator, arguments, runtime, exit code. Everything else is in the library.

use std::io::ErrorKind::BrokenPipe;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
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
    match run(args) {
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

fn run(args: Args) -> anyhow::Result<Exit> {
    // Before the runtime starts threads.
    cli::owner::act_as_owner(&args).context("acting as the owner of the data directory (CALLSIGN_DATA_DIR)")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let mut out = Screen::stdout();
    let exit = runtime.block_on(cli::dispatch(args, &mut out))?;
    // Background tasks are dropped; nothing waits for them.
    runtime.shutdown_background();
    Ok(exit)
}
