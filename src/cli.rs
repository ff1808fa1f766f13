//! The command line, one file per command. A command writes to an `impl Write` and returns an exit code. It must not
//! contain rules about requests; those are in the libraries.

pub mod actor;
mod archive;
pub mod args;
mod audit;
mod backup;
mod block;
mod bundle;
mod case;
mod check;
pub mod config;
mod demo;
mod error;
mod exit;
mod explain;
mod export;
mod forget;
mod healthcheck;
mod id;
mod identity_args;
mod key;
mod key_import;
mod key_list;
mod key_print;
mod labels;
mod ledger_access;
mod limits;
pub mod load;
mod notices;
mod operator_state;
mod owner;
mod person;
mod reconcile;
mod record;
mod rejected;
mod requests;
mod restore;
pub mod serve;
pub mod summary;
mod usage;
mod wait;
mod whois;

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use args::{Args, Command};
pub use exit::Exit;
use identity_args::Person;
use tokio::runtime::Builder;

use crate::accounts;
use crate::config::{Config, ConfigInputs, Loaded};
use crate::data_dir;
use crate::terminal::Screen;
use callsign_core::visible::printable;

/// Runs a command. Results go to the standard output, problems to the standard error.
///
/// The runtime is started here and not in the program, because the compiler then translates the futures together with this crate. So the
/// program is small enough to be built without optimisation for a profile (`deploy/binary/build.sh`).
///
/// # Errors
/// I/O errors of the standard output and of the system. Everything that the operator can fix is printed and becomes an exit code.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    // Before the runtime starts threads.
    owner::act_as_owner(&args).context("acting as the owner of the data directory (CALLSIGN_DATA_DIR)")?;
    let runtime = Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let exit = runtime.block_on(dispatch(args, &mut Screen::stdout()))?;
    // Background tasks are dropped; nothing waits for them.
    runtime.shutdown_background();
    Ok(exit)
}

async fn dispatch(args: Args, out: &mut impl Write) -> io::Result<Exit> {
    let err = &mut Screen::stderr();
    let sources = load::sources(args.config.clone());
    match &args.command {
        Command::Serve { demo } => serve::serve(args.config, *demo, out).await,
        Command::Check { live, model, format } => {
            let live = live.then_some(model.as_str());
            Box::pin(check::check(&sources.serving(), live, format == "json", out, err)).await
        }
        Command::Healthcheck => healthcheck::run(&sources, err).await,
        Command::Explain { user, request, format } => {
            let explain = async |config: &Config| {
                explain::announce(io::stdin().is_terminal(), err)?;
                let how = (request.endpoint, format == "json");
                explain::explain(config, person(user.as_deref(), request), how, io::stdin(), out, err)
            };
            configured(&sources, explain).await
        }
        Command::Id { user, request, format: _ } => {
            let person = person(user.as_deref(), request);
            configured(&sources, async |config| id::print(config, person, request.endpoint, out, err)).await
        }
        Command::Key { command } if command.stores_nothing() => {
            configured(&sources, async |config| key::run(config, command, out, err).await).await
        }
        Command::Key { command } => stored(&sources, async |config| key::run(config, command, out, err).await).await,
        Command::Audit(asked) => stored(&sources, async |config| audit::run(config, asked, out, err).await).await,
        Command::Block(args) => {
            let id = args.id.as_deref().unwrap_or_default();
            looking_up(id, &sources, async |config| block::block(config, args, out, err).await).await
        }
        Command::Unblock(args) => {
            looking_up(&args.id, &sources, async |config| block::unblock(config, args, out, err).await).await
        }
        Command::Limits { command } => {
            looking_up(command.identifier(), &sources, async |config| limits::run(config, command, out, err).await)
                .await
        }
        Command::Usage(asked) => stored(&sources, async |config| usage::print(config, asked, out, err).await).await,
        Command::Requests(asked) => {
            stored(&sources, async |config| requests::list(config, asked, out, err).await).await
        }
        Command::Request(asked) => stored(&sources, async |config| requests::one(config, asked, out, err).await).await,
        Command::Ledger { command } => {
            stored(&sources, async |config| rejected::run(config, command, out, err).await).await
        }
        Command::Whois(asked) => {
            looking_up(&asked.id, &sources, async |config| whois::print(config, asked, out, err).await).await
        }
        Command::Reconcile(asked) => {
            stored(&sources, async |config| reconcile::run(config, asked, out, err).await).await
        }
        Command::Forget(asked) => {
            looking_up(&asked.user, &sources, async |config| {
                let answers = io::stdin().is_terminal().then(|| io::stdin().lock());
                forget::run(config, asked, answers, out, err).await
            })
            .await
        }
        Command::Case(asked) => {
            looking_up(&asked.id, &sources, async |config| case::run(config, asked, out, err).await).await
        }
        Command::Export(asked) => {
            looking_up(&asked.user, &sources, async |config| export::run(config, asked, out, err).await).await
        }
        Command::Archive { command } => {
            // Not through `out`, which strips colour codes: archived bytes must be printed unchanged.
            let stdout = io::stdout();
            archive::run(&sources, command, stdout.is_terminal(), &mut stdout.lock(), err)
        }
        Command::Config { format } => {
            loaded(&sources, async |loaded| config::run(loaded, format == "json", out, err).await).await
        }
        Command::Backup(asked) => stored(&sources, async |config| backup::run(config, asked, out, err).await).await,
        Command::Restore(asked) => stored(&sources, async |config| restore::run(config, asked, out, err).await).await,
    }
}

/// Loads the configuration and runs a command with it. The configuration may lack keys and callers.
async fn configured(
    sources: &ConfigInputs,
    command: impl AsyncFnOnce(&Config) -> io::Result<Exit>,
) -> io::Result<Exit> {
    loaded(sources, async |loaded| command(&loaded.config).await).await
}

/// Does the same for a command that reads or writes what is stored: the data directory must be usable.
async fn stored(sources: &ConfigInputs, command: impl AsyncFnOnce(&Config) -> io::Result<Exit>) -> io::Result<Exit> {
    configured(sources, async |config| if has_directory(config)? { command(config).await } else { Ok(Exit::Invalid) })
        .await
}

/// Returns false, with the reason on the standard error, if the data directory is set and cannot be used.
fn has_directory(config: &Config) -> io::Result<bool> {
    match data_dir::check(config) {
        Ok(()) => Ok(true),
        Err(error) => {
            writeln!(Screen::stderr(), "callsign: {}", printable(&error.to_string()))?;
            Ok(false)
        }
    }
}

/// Does the same as [`configured`] for a command that also needs the sources of the values.
async fn loaded(sources: &ConfigInputs, command: impl AsyncFnOnce(&Loaded) -> io::Result<Exit>) -> io::Result<Exit> {
    match load::load(sources, &mut Screen::stderr())? {
        Some(loaded) => command(&loaded).await,
        None => Ok(Exit::Invalid),
    }
}

/// Does the same as [`stored`] for a command that looks an identifier up, which a provider may have reported.
async fn looking_up(
    identifier: &str,
    sources: &ConfigInputs,
    command: impl AsyncFnOnce(&Config) -> io::Result<Exit>,
) -> io::Result<Exit> {
    let err = &mut Screen::stderr();
    match load::load(sources, err)? {
        Some(Loaded { config, .. }) if !has_directory(&config)? => Ok(Exit::Invalid),
        Some(Loaded { mut config, .. }) => {
            accounts::find_for(&mut config, identifier, err).await?;
            command(&config).await
        }
        None => Ok(Exit::Invalid),
    }
}

fn person<'a>(user: Option<&'a str>, request: &'a args::Request) -> Person<'a> {
    Person {
        tenant: request.tenant.as_deref(),
        user,
        session: request.session.as_deref(),
        chat: request.chat.as_deref(),
        message: request.message.as_deref(),
    }
}
