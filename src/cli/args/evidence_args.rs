//! Arguments of the commands on everything that is stored about one person.

use std::path::PathBuf;

use super::result_format::ResultFormat;

/// Arguments of `forget`.
#[derive(Debug, clap::Args)]
pub struct Forget {
    /// User id, or the identifier as sent. It must stand for exactly one person.
    pub user: String,
    /// Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Take the id as a user id only, not as an identifier as sent.
    #[arg(long)]
    pub user_id: bool,
    /// Erase without asking.
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Print what would be erased, and erase nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}

/// Arguments of `case`.
#[derive(Debug, clap::Args)]
pub struct Case {
    /// The identifier, exactly as reported: as sent, a generation id, or a request id.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// The zip file to write. It must not exist.
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Archives and password.
    #[command(flatten)]
    pub bundle: Bundle,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// User id, or the identifier as sent. It must stand for exactly one person.
    pub user: String,
    /// Tenant of the user; "" for users without a tenant. Required if the id exists in several tenants.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Take the id as a user id only, not as an identifier as sent.
    #[arg(long)]
    pub user_id: bool,
    /// The directory to create. It must not exist.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Archives and password.
    #[command(flatten)]
    pub bundle: Bundle,
}

/// The options that `case` and `export` share.
#[derive(Debug, clap::Args)]
pub struct Bundle {
    /// Include the archived requests and responses (prompts and replies).
    #[arg(long)]
    pub with_archives: bool,
    /// File with the password of the zip file. By default a new one is printed once on the standard error.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Output format.
    #[command(flatten)]
    pub form: ResultFormat,
}
