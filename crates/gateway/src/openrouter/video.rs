//! Video jobs: the state and the cost of one job (`GET /videos/{id}`).

use serde::Deserialize;
use serde_json::value::RawValue;

use callsign_core::usage::Usage;
use callsign_core::usage::generation::fits;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::Price;

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoState {
    /// It is not finished, or its cost is not known yet.
    Open,
    /// It is finished and has this cost.
    Charged(Box<Price>),
    /// It has failed and tells no cost.
    Failed,
}

/// States in which a job ends without a video.
const FAILURES: [&str; 4] = ["failed", "cancelled", "canceled", "expired"];

/// The members that are read. Costs stay the text that OpenRouter wrote, so that they are parsed exactly.
#[derive(Deserialize)]
struct Job<'a> {
    status: String,
    model: Option<String>,
    #[serde(borrow)]
    usage: Option<JobUsage<'a>>,
}

#[derive(Deserialize)]
struct JobUsage<'a> {
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
}

impl VideoState {
    /// Parses an answer. Returns `None` if it is no job, or its cost cannot be parsed, because such a job must not count
    /// as free.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Job { status, model, usage } = serde_json::from_slice(body).ok()?;
        let cost = usage.and_then(|usage| usage.cost).filter(|cost| cost.get() != "null");
        let cost = cost.map_or(Some(None), |cost| NanoUsd::parse(cost.get()).map(Some))?;
        let has_failed = FAILURES.contains(&status.as_str());
        Some(match cost {
            Some(cost) if has_failed || status == "completed" => {
                let usage = Usage { cost: Some(cost), ..Usage::default() }.plausible();
                Self::Charged(Box::new(Price { usage, model: model.filter(|model| fits(model)), provider: None }))
            }
            _ if has_failed => Self::Failed,
            _ => Self::Open,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_finished_job_has_a_cost() {
        let read = |body: &str| VideoState::parse(body.as_bytes());
        let charged = |nano, model: Option<&str>| {
            let usage = Usage { cost: Some(NanoUsd(nano)), ..Usage::default() };
            Some(VideoState::Charged(Box::new(Price { usage, model: model.map(str::to_owned), provider: None })))
        };
        let done =
            r#"{"id":"j","status":"completed","model":"a/b","usage":{"cost":0.25,"is_byok":false},"urls":["x"]}"#;
        assert_eq!(read(done), charged(250_000_000, Some("a/b")));
        assert_eq!(read(r#"{"status":"failed","usage":{"cost":0}}"#), charged(0, None));
        for body in [r#"{"status":"failed"}"#, r#"{"status":"expired","usage":{"cost":null}}"#] {
            assert_eq!(read(body), Some(VideoState::Failed), "{body}");
        }
        for body in [
            r#"{"status":"pending"}"#,
            r#"{"status":"in_progress","usage":{"cost":0}}"#,
            r#"{"status":"completed","usage":null}"#,
            r#"{"status":"completed","usage":{"cost":null}}"#,
        ] {
            assert_eq!(read(body), Some(VideoState::Open), "{body}");
        }
        for body in [
            "",
            "{}",
            r#"{"status":"completed","usage":{"cost":-1}}"#,
            r#"{"status":"completed","usage":{"cost":"x"}}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }
}
