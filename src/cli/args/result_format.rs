//! The option `--format` of commands with one result.

/// Output format of a command with one result.
#[derive(Debug, clap::Args)]
pub struct ResultFormat {
    /// Output format. table is text for people, json is one object with the result.
    #[arg(long, value_parser = ["table", "json"], default_value = "table")]
    format: String,
}

impl ResultFormat {
    /// Returns true for `--format json`.
    pub(in crate::cli) fn is_json(&self) -> bool {
        self.format == "json"
    }
}
