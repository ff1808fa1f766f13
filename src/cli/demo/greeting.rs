//! The text that a demo prints: two commands to paste, the console, and what to do next.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const COMMAND: Style = AnsiColor::Cyan.on_default();

/// The addresses and keys of a running demo.
pub(super) struct Addresses<'a> {
    pub(super) data: String,
    /// The console's address, if it has something to show.
    pub(super) admin: Option<String>,
    pub(super) viewer: String,
    /// The base URL of the mock OpenRouter.
    pub(super) mock: String,
    pub(super) key: &'a str,
    pub(super) token: &'a str,
}

/// Returns the text. A terminal without colours gets it without them.
pub(super) fn text(addresses: &Addresses<'_>) -> String {
    let Addresses { data, admin, viewer, mock, key, token } = addresses;
    let mut text = format!(
        "\n{BOLD}Demo{BOLD:#}: a mock OpenRouter in this process answers. No account is used, nothing leaves this \
         machine.\nhttp://{viewer} sends your request through callsign with an app's key, and shows both sides.\n\n\
         {BOLD}1. An app says that its user is alice.{BOLD:#} In a second terminal, run:\n\n   \
         {COMMAND}curl http://{viewer} -H 'X-User-Id: alice'{COMMAND:#}\n\n\
         {BOLD}2. A client claims to be someone else.{BOLD:#} callsign removes the claim:\n\n   \
         {COMMAND}curl http://{viewer} -H 'X-User-Id: alice' -d '{{\"user\": \"mallory\"}}'{COMMAND:#}\n\n"
    );
    // Writing to a `String` does not fail.
    let _ = match admin {
        Some(admin) => writeln!(
            text,
            "{BOLD}Console{BOLD:#}, with invented requests of two weeks: http://{admin}\n  token  {token}\n"
        ),
        None => writeln!(
            text,
            "{BOLD}Console{BOLD:#}: off, because there is no writable temporary directory (set TMPDIR).\n"
        ),
    };
    let _ = writeln!(
        text,
        "{BOLD}Next{BOLD:#}\n  \
         * Point an app at the demo: base URL http://{data}/v1\n    API key {key}\n  \
         * See what your own settings send: echo '{{\"user\": \"mallory\"}}' | callsign explain --user alice\n  \
         * Use it with OpenRouter: \"Use it\" in README.md. Without an account, this mock answers your callsign:\n    \
         export CALLSIGN_UPSTREAM_URL={mock} OPENROUTER_API_KEY=sk-or-any-text\n    \
         One of the two needs other ports: CALLSIGN_LISTEN, CALLSIGN_ADMIN_LISTEN\n\n\
         {DIM}Ctrl-C ends the demo and deletes its data.{DIM:#}"
    );
    text
}
