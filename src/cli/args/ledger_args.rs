//! Arguments of the commands that read the ledger.

use callsign_store::ledger::query::Grouping;
use callsign_store::ledger::report::{self, Columns};

/// Output format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// An aligned table
    Table,
    /// Comma-separated values (RFC 4180)
    Csv,
    /// JSON
    Json,
}

/// The selection of requests that `usage` and `requests` share.
#[derive(Debug, Default, clap::Args)]
pub struct Selection {
    /// Only requests of this user.
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Only requests of this key, by name.
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Only answers of this model.
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Only answers of this provider.
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Only requests of this tenant; "" for callers without a tenant. By default all.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Only answers with this HTTP status.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<u16>,
    /// Start of the period: 24h, 7d, 2026-01-31 (UTC) or an RFC 3339 time. By default all.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// End of the period, exclusive, in the same form. By default now.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
}

/// Arguments of `usage`.
#[derive(Debug, clap::Args)]
pub struct Usage {
    /// Grouping of the sums: one or two of user, model, key, provider, tenant, hour, day, month, as model,month.
    #[arg(long, value_name = "A[,B]", default_value = "user")]
    pub by: Grouping,
    /// The requests. Times are rounded to full hours.
    #[command(flatten)]
    pub of: Selection,
    /// All columns in the table. By default those that fit 120 characters.
    #[arg(long)]
    pub wide: bool,
    /// Columns of the table besides those of --by, named as in JSON: `requests,cost_usd`.
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "wide")]
    pub columns: Vec<String>,
    /// Output format. csv and json have all columns.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

impl Usage {
    /// Returns the columns of the table.
    pub(in crate::cli) fn columns(&self) -> Columns {
        match self.columns.as_slice() {
            _ if self.wide => Columns::All,
            [] => Columns::Usual,
            names => Columns::Named(names.to_vec()),
        }
    }
}

/// Arguments of `requests`.
#[derive(Debug, clap::Args)]
pub struct Requests {
    /// The requests. A model also matches the requested one.
    #[command(flatten)]
    pub of: Selection,
    /// Only requests that ended in this way, as `complete`, `client_gone` or `refused`.
    #[arg(long, value_name = "NAME", value_parser = ending)]
    pub ending: Option<String>,
    /// Only this kind of error, as `rate_limited` or `status_502`.
    #[arg(long, value_name = "KIND")]
    pub error: Option<String>,
    /// Maximum number of requests.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only requests before this request id, to continue a list.
    #[arg(long, value_name = "ID")]
    pub before: Option<callsign_core::request_id::RequestId>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `request`.
#[derive(Debug, clap::Args)]
pub struct OneRequest {
    /// Request id (`x-callsign-request-id`) or OpenRouter's generation id.
    pub id: String,
    /// Output format.
    #[arg(long, value_parser = ["table", "json"], default_value = "table")]
    pub format: String,
}

/// Checks the name of an ending.
fn ending(name: &str) -> Result<String, String> {
    if report::endings().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    Err(format!("takes one of {}", report::endings().collect::<Vec<_>>().join(", ")))
}
