//! The command line: one file per command. Commands write to an `impl Write` and return an exit code; nothing here decides
//! anything about a request.

pub mod archive;
pub mod args;
mod block;
mod books;
mod check;
pub mod config;
mod explain;
mod forget;
mod healthcheck;
mod id;
mod inputs;
mod key_list;
pub mod key_material;
mod key_new;
mod limits_show;
pub mod load;
mod members;
mod reconcile;
pub mod serve;
pub mod summary;
mod usage;
mod whois;
mod wording;

use std::io::{self, IsTerminal, Write};

use args::{Args, Command, KeyCommand, LimitsCommand};
use inputs::Person;

use crate::config::{Loaded, Sources};

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

/// Runs a command; what it has to say goes to `out`, what is wrong to the standard error.
///
/// # Errors
/// Those of `out` and of the system; everything that the operator can mend is printed and has an exit code.
pub async fn dispatch(args: Args, out: &mut impl Write) -> io::Result<Exit> {
    let err = &mut io::stderr();
    let sources = load::sources(args.config.clone());
    match &args.command {
        Command::Serve { demo } => serve::serve(args.config, *demo, out).await,
        Command::Check { live, model, json } => {
            let live = live.then_some(model.as_str());
            check::check(&sources.serving(), live, *json, out, err).await
        }
        Command::Healthcheck => healthcheck::run(&sources, err).await,
        Command::Explain { user, request } => {
            let explain = async |Loaded { config, .. }: &Loaded| {
                if io::stdin().is_terminal() {
                    writeln!(err, "callsign: reading a request from the terminal; end it with Ctrl-D")?;
                }
                explain::explain(config, person(user.as_deref(), request), request.endpoint, io::stdin(), out, err)
            };
            configured(&sources, explain).await
        }
        Command::Id { user, request } => {
            let person = person(user.as_deref(), request);
            configured(&sources, async |loaded| id::print(&loaded.config, person, request.endpoint, out, err)).await
        }
        Command::Key { command: KeyCommand::New(holder) } => {
            configured(&sources, async |loaded| key_new::print(&loaded.config, holder, out, err)).await
        }
        Command::Key { command: KeyCommand::List } => {
            configured(&sources, async |loaded| key_list::print(&loaded.config, jiff::Timestamp::now(), out)).await
        }
        Command::Block(args) => {
            configured(&sources, async |loaded| block::block(&loaded.config, args, out, err).await).await
        }
        Command::Unblock(args) => {
            configured(&sources, async |loaded| block::unblock(&loaded.config, args, out, err).await).await
        }
        Command::Limits { command: LimitsCommand::Show { user, tenant } } => {
            let tenant = tenant.as_deref();
            configured(&sources, async |loaded| limits_show::show(&loaded.config, user, tenant, out, err).await).await
        }
        Command::Usage(asked) => {
            configured(&sources, async |loaded| usage::print(&loaded.config, asked, out, err).await).await
        }
        Command::Whois(asked) => {
            configured(&sources, async |loaded| whois::print(&loaded.config, asked, out, err).await).await
        }
        Command::Reconcile(asked) => {
            configured(&sources, async |loaded| reconcile::run(&loaded.config, asked, out, err).await).await
        }
        Command::Forget(asked) => {
            configured(&sources, async |loaded| forget::run(&loaded.config, asked, out, err).await).await
        }
        Command::Archive { command } => {
            // Not through `out`, which takes away what looks like a colour: what was archived comes out as it went in.
            let stdout = io::stdout();
            archive::run(&sources, command, stdout.is_terminal(), &mut stdout.lock(), err)
        }
        Command::Config => configured(&sources, async |loaded| config::print(loaded, out)).await,
    }
}

/// Runs a command by the configuration, which needs neither a key nor a caller in it.
async fn configured(sources: &Sources, command: impl AsyncFnOnce(&Loaded) -> io::Result<Exit>) -> io::Result<Exit> {
    match load::load(sources, &mut io::stderr())? {
        Some(loaded) => command(&loaded).await,
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
