//! Loads the configuration for a command. Only this file reads the process's environment.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::{Config, ConfigInputs, DEFAULTS_FILE, Loaded, Problems};

/// Returns the inputs of the configuration: environment, files.
pub fn sources(file: Option<PathBuf>) -> ConfigInputs {
    with_variables(file, variables())
}

/// Returns the process's environment.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variables() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Returns the inputs with other variables, for the demo and tests.
pub fn with_variables(
    file: Option<PathBuf>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> ConfigInputs {
    ConfigInputs::environment(variables).file(file).defaults(DEFAULTS_FILE)
}

/// Loads the configuration and prints every problem. Returns `None` if there were problems.
///
/// # Errors
/// I/O errors of `out`.
pub fn load(sources: &ConfigInputs, out: &mut impl Write) -> io::Result<Option<Loaded>> {
    match Config::load(sources) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(problems) => {
            print_problems(&problems, out)?;
            Ok(None)
        }
    }
}

/// Prints one problem per line.
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
    writeln!(out, "All settings are described in docs/configuration.md.")
}
