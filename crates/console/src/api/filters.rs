//! The filters that `usage` and `requests` share (docs/SPEC.md#usage).

use jiff::Timestamp;

use crate::answer::ApiError;
use crate::parameters::Parameters;
use callsign_store::ledger::query::{Filter, RequestFilter};
use callsign_store::ledger::report::endings;
use callsign_store::ledger::since;

/// Reads `since`, `until`, `user`, `model`, `key`, `provider`, `tenant` and `status`.
///
/// # Errors
/// [`ApiError::Invalid`] if a value has not the accepted form.
pub(crate) fn read(parameters: &mut Parameters) -> Result<Filter, ApiError> {
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

/// Reads the filters of single requests: those of [`read`], `ending`, `error` and `before`.
///
/// # Errors
/// [`ApiError::Invalid`] if a value has not the accepted form.
pub(crate) fn of_requests(parameters: &mut Parameters) -> Result<RequestFilter, ApiError> {
    Ok(RequestFilter {
        common: read(parameters)?,
        ending: parameters.parsed("ending", ending)?,
        error: parameters.name("error")?,
        before: parameters.parsed("before", |text| text.parse().map_err(|_| "takes the `next` of another answer"))?,
    })
}

/// Parses the name of an ending.
fn ending(text: &str) -> Result<String, String> {
    if endings().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(format!("takes one of {}", endings().collect::<Vec<_>>().join(", ")))
}

/// Parses an HTTP status.
fn status(text: &str) -> Result<u16, &'static str> {
    let status = text.parse().ok().filter(|status| (100..=599).contains(status));
    status.ok_or("takes an HTTP status from 100 to 599")
}
