//! Loads the configuration for a command: the one place where the process's environment is read.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::{Config, DEFAULTS_FILE, Loaded, Problems, ConfigInputs};

/// Everything that `callsign` takes its configuration from.
pub fn sources(file: Option<PathBuf>) -> ConfigInputs {
    with_variables(file, variables())
}

/// The process's environment.
#[expect(clippy::disallowed_methods, reason = "the one place; everybody else is handed what it needs")]
pub fn variables() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// The same with other variables; for the demonstration and tests.
pub fn with_variables(file: Option<PathBuf>, variables: impl IntoIterator<Item = (OsString, OsString)>) -> ConfigInputs {
    ConfigInputs::environment(variables).file(file).defaults(DEFAULTS_FILE)
}

/// Loads, and prints what is wrong: every problem, one a line.
///
/// # Errors
/// Those of `out`. `None` means that there were problems, which have been printed.
pub fn load(sources: &ConfigInputs, out: &mut impl Write) -> io::Result<Option<Loaded>> {
    match Config::load(sources) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(problems) => {
            print_problems(&problems, out)?;
            Ok(None)
        }
    }
}

/// Prints what is wrong: one problem a line.
pub(super) fn print_problems(problems: &Problems, out: &mut impl Write) -> io::Result<()> {
    let count = problems.iter().count();
    writeln!(
        out,
        "callsign: the configuration is invalid ({count} {})",
        if count == 1 { "problem" } else { "problems" }
    )?;
    for problem in problems.iter() {
        writeln!(out, "  {problem}")?;
    }
    writeln!(out, "See docs/configuration.md, or `callsign config` for what is in force.")
}
