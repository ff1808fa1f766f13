//! The filters that `usage` and `requests` share (docs/SPEC.md#usage).

use jiff::Timestamp;

use crate::answer::ApiError;
use crate::parameters::Parameters;
use callsign_store::ledger::query::Filter;
use callsign_store::ledger::since;

/// Reads `since`, `until`, `user`, `model`, `key`, `provider`, `tenant` and `status`.
///
/// # Errors
/// [`ApiError::Invalid`] if a value has not the accepted form.
pub(super) fn read(parameters: &mut Parameters) -> Result<Filter, ApiError> {
    let now = Timestamp::now();
    Ok(Filter {
        since: parameters.parsed("since", |text| since(text, now))?,
        until: parameters.parsed("until", |text| since(text, now))?,
        // Empty selects requests without a user.
        user: parameters.text("user")?,
        model: parameters.name("model")?,
        key: parameters.name("key")?,
        provider: parameters.name("provider")?,
        tenant: parameters.text("tenant")?,
        status: parameters.parsed("status", status)?,
    })
}

/// Parses an HTTP status.
fn status(text: &str) -> Result<u16, &'static str> {
    let status = text.parse().ok().filter(|status| (100..=599).contains(status));
    status.ok_or("takes an HTTP status from 100 to 599")
}
