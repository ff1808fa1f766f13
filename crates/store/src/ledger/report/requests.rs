//! Formats single requests (docs/SPEC.md#requests).

use callsign_core::request_id::RequestId;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::visible::printable;
use serde_json::{Map, Value, json};

use super::cells::{Cells, csv, table, time, usd};
use crate::ledger::grain::timestamp;
use crate::ledger::query::{Rejected, StoredRequest};
use crate::ledger::record::{Begun, Name, RequestLabels, SentIds};
use crate::ledger::row::{ending_code, ending_name, ending_names};

/// The columns of a table: it must fit a terminal. JSON, CSV and the text of one request have all fields.
const IN_TABLE: [&str; 10] =
    ["began", "request_id", "user", "key", "model", "status", "ending", "error", "duration_ms", "cost_usd"];
/// The prefix of the identifiers as sent, where the format has no nested fields.
const SENT: &str = "sent_";

impl StoredRequest {
    /// Returns the name of its ending; `None` while it runs.
    pub fn ending(&self) -> Option<&'static str> {
        self.ended.as_ref().map(|ended| ending_name(ending_code(ended.outcome)))
    }

    /// Returns what is known of its cost. The cost of a running request is pending.
    pub fn bill(&self) -> Bill {
        self.ended.as_ref().map_or(Bill::Pending, |ended| ended.bill)
    }
}

/// Returns the names of all endings, for a message about a wrong one.
pub fn endings() -> impl Iterator<Item = &'static str> {
    ending_names()
}

/// Formats one request as JSON.
pub fn request_json(request: &StoredRequest) -> Value {
    let mut fields: Map<String, Value> = own_cells(request).into_iter().collect();
    fields.insert("sent".to_owned(), Value::Object(sent_cells(request).into_iter().collect()));
    Value::Object(fields)
}

/// Formats requests as CSV (RFC 4180) with a header line.
pub fn requests_csv(requests: &[StoredRequest]) -> String {
    csv(heading(), requests.iter().map(flat_cells))
}

/// Formats requests as a table with the most important fields.
pub fn requests_table(requests: &[StoredRequest]) -> String {
    let short =
        |cells: Cells| cells.into_iter().filter(|(name, _)| IN_TABLE.contains(&name.as_str())).collect::<Cells>();
    table(requests.iter().map(|request| short(own_cells(request))), &short(heading()))
}

/// Formats one request as a line for each field.
pub fn request_text(request: &StoredRequest) -> String {
    let cells = flat_cells(request);
    let width = cells.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): (String, Value)| {
        let value = match value {
            Value::Null => "–".to_owned(),
            Value::String(text) => printable(&text),
            other => other.to_string(),
        };
        format!("{:width$}  {value}\n", name.replace('_', " "))
    };
    cells.into_iter().map(line).collect()
}

/// Formats rejected rows as JSON.
pub fn rejected_json(rejected: &[Rejected]) -> Value {
    rejected.iter().map(|of| Value::Object(rejected_cells(of).into_iter().collect())).collect()
}

/// Formats rejected rows as a table.
pub fn rejected_table(rejected: &[Rejected]) -> String {
    let heading = rejected.first().map(rejected_cells).unwrap_or_default();
    table(rejected.iter().map(rejected_cells), &heading)
}

fn rejected_cells(of: &Rejected) -> Cells {
    let end = of.request.as_ref().and_then(|request| request.ended.as_ref());
    let usage = end.map(|end| end.usage).unwrap_or_default();
    let cells = [
        ("request_id", json!(of.id.to_string())),
        ("rejected", time(Some(of.at))),
        ("reason", json!(of.reason)),
        ("status", json!(end.map(|end| end.status))),
        ("prompt_tokens", json!(usage.prompt_tokens)),
        ("completion_tokens", json!(usage.completion_tokens)),
        ("cost_usd", json!(usage.total_cost().map(usd))),
    ];
    cells.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Returns all columns without values.
fn heading() -> Cells {
    let begun = Begun {
        id: RequestId::MIN,
        began_us: 0,
        labels: RequestLabels::default(),
        sent: SentIds::default(),
        endpoint: Name::default(),
        account: None,
        markup: Markup::ONE,
    };
    flat_cells(&StoredRequest { begun, generation: None, count: 1, ended: None })
}

/// Returns the fields and the identifiers as sent, without nesting.
fn flat_cells(request: &StoredRequest) -> Cells {
    let sent = sent_cells(request).into_iter().map(|(name, value)| (format!("{SENT}{name}"), value));
    own_cells(request).into_iter().chain(sent).collect()
}

fn own_cells(request: &StoredRequest) -> Cells {
    let StoredRequest { begun, generation, count, ended } = request;
    let labels = &begun.labels;
    let end = ended.as_ref();
    let usage = end.map(|end| end.usage).unwrap_or_default();
    let is_free = request.bill() == Bill::Free;
    let amount = |amount: Option<NanoUsd>| json!(amount.or_else(|| is_free.then_some(NanoUsd::ZERO)).map(usd));
    let ms = |us: Option<u64>| json!(us.map(|us| us / 1000));
    let cells = [
        ("request_id", json!(begun.id.to_string())),
        ("began", json!(timestamp(begun.began_us).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())),
        ("user", json!(labels.user.as_deref())),
        ("key", json!(&*labels.key)),
        ("tenant", json!(labels.tenant.as_deref())),
        ("endpoint", json!(&*begun.endpoint)),
        ("requested_model", json!(end.and_then(|end| end.requested_model.as_deref()))),
        ("model", json!(end.and_then(|end| end.model.as_deref()))),
        ("provider", json!(end.and_then(|end| end.provider.as_deref()))),
        ("generation", json!(generation.as_deref())),
        ("status", json!(end.map(|end| end.status).filter(|status| *status > 0))),
        ("ending", json!(request.ending())),
        ("error", json!(end.and_then(|end| end.error.as_deref()))),
        ("limit", json!(end.and_then(|end| end.limit.as_deref()))),
        ("count", json!(count)),
        ("head_ms", ms(end.and_then(|end| end.head_us))),
        ("first_output_ms", ms(end.and_then(|end| end.first_output_us))),
        ("duration_ms", ms(end.map(|end| end.duration_us))),
        ("prompt_tokens", json!(usage.prompt_tokens)),
        ("completion_tokens", json!(usage.completion_tokens)),
        ("cached_tokens", json!(usage.cached_tokens)),
        ("cache_write_tokens", json!(usage.cache_write_tokens)),
        ("reasoning_tokens", json!(usage.reasoning_tokens)),
        ("cost_usd", amount(usage.total_cost())),
        ("provider_cost_usd", json!(usage.provider_cost.map(usd))),
        ("cost", json!(bill_name(request.bill()))),
    ];
    cells.map(|(name, value)| (name.to_owned(), value)).into()
}

fn sent_cells(request: &StoredRequest) -> Cells {
    let sent = &request.begun.sent;
    let cells = [
        ("user", &sent.user),
        ("session", &sent.session),
        ("metadata_session", &sent.metadata_session),
        ("chat", &sent.chat),
        ("message", &sent.message),
    ];
    cells.map(|(name, value)| (name.to_owned(), json!(value.as_deref()))).into()
}

fn bill_name(bill: Bill) -> &'static str {
    match bill {
        Bill::Free => "free",
        Bill::Known => "known",
        Bill::Pending => "pending",
        Bill::Never => "never",
    }
}

#[cfg(test)]
mod tests;
