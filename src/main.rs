//! The program: allocator, arguments, runtime, exit code. Everything else is the library's.

use std::io::ErrorKind::BrokenPipe;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use callsign::cli::args::Args;
use callsign::cli::{self, Exit};
use clap::Parser;

/// musl's allocator is slow, and a proxy's buffers come and go. It must not ask for huge pages (`no_thp`): every buffer of
/// an idle stream would then be resident whole, which was measured as 72 KiB for each stream instead of 44.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(exit) => ExitCode::from(exit.code()),
        // `callsign config | head` has seen enough.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _nowhere_to_say_it = writeln!(std::io::stderr(), "callsign: {error:#}");
            ExitCode::from(Exit::Failure.code())
        }
    }
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let mut out = anstream::AutoStream::auto(std::io::stdout());
    let exit = runtime.block_on(cli::dispatch(args, &mut out))?;
    // Nothing that still runs is worth waiting for.
    runtime.shutdown_background();
    Ok(exit)
}
