//! Selects the behaviour of a response by the model that the request names.
//!
//! The model selects it because a header would not pass callsign's allow-list. `mock/NAME` selects one behaviour of
//! [`TABLE`] or one fault, `mock/NAME+NAME` several (`mock/gaps+cost-3`). Any other model gets the plain response. An
//! unknown `mock/` name is refused, so that a test with a typo fails.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::call::Call;
use super::faults::Faults;
use super::money::amount;
use super::names::{self, PREFIX, Row, row, status};
use super::plan::{Plan, Step};
use super::reply::{Failure, Reply};

/// Pause of `mock/gaps` if the mock server has no `pace`.
const GAP: Duration = Duration::from_millis(20);

/// All behaviours: answers that OpenRouter itself gives.
const TABLE: [Row<Effect>; 20] = [
    row("echo", "answers plainly", |_| Some(Effect::None)),
    row("error-N", "answers with status N and OpenRouter's error body", |n| status(n).map(Effect::Error)),
    row("html-N", "answers with status N and Cloudflare's HTML", |n| status(n).map(Effect::Html)),
    row("redirect", "answers 307 to another host", |_| Some(Effect::Redirect)),
    row("moderated", "answers 403 as moderation does", |_| Some(Effect::Moderated)),
    row("start-error", "answers 200 with an error and no output, and costs nothing", |_| {
        Some(Effect::Fail(Failure::BeforeOutput))
    }),
    row("mid-error", "ends after three tokens with an error inside the 200", |_| Some(Effect::Fail(Failure::Midway))),
    row("finish-error", "ends after three tokens with the finish reason `error`, without usage", |_| {
        Some(Effect::Fail(Failure::Unexplained))
    }),
    row("panel-failed", "reports a failed model of a fusion panel in a stream of `responses` and completes", |_| {
        Some(Effect::PanelFailed)
    }),
    row("gaps", "waits between chunks", |_| Some(Effect::Gaps)),
    row("no-gaps", "sends all chunks at once", |_| Some(Effect::NoGaps)),
    row("tool-call", "calls the first tool that is offered with `{\"city\":\"Paris\"}`", |_| Some(Effect::ToolCall)),
    row("no-usage", "omits the usage, so that only the generation record tells the cost", |_| Some(Effect::NoUsage)),
    row("late-record-N", "has a generation record from lookup N+1 on; 404 before", |n| Some(Effect::LateRecord(n))),
    row("cost-N", "costs N billionths of a dollar", |n| amount(n).map(Effect::Cost)),
    row("tool-cost-N", "costs N billionths of a dollar more, for server tools", |n| amount(n).map(Effect::ToolCost)),
    row("byok-N", "uses the operator's key at the provider, which charges N billionths of a dollar", |n| {
        amount(n).map(Effect::Byok)
    }),
    row("cache-write-N", "writes N more prompt tokens to the cache", |n| u32::try_from(n).ok().map(Effect::CacheWrite)),
    row("reasoning-N", "spends N more tokens on reasoning", |n| u32::try_from(n).ok().map(Effect::Reasoning)),
    row("long-N", "sends N more tokens", |n| Some(Effect::Long(n))),
];

/// One deviation from the plain response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    None,
    Error(StatusCode),
    Html(StatusCode),
    Redirect,
    Moderated,
    Fail(Failure),
    PanelFailed,
    Gaps,
    NoGaps,
    ToolCall,
    NoUsage,
    LateRecord(usize),
    Cost(u64),
    ToolCost(u64),
    Byok(u64),
    CacheWrite(u32),
    Reasoning(u32),
    Long(usize),
}

/// A response that replaces the plain one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Instead {
    /// OpenRouter's error body in the endpoint's format.
    Error(StatusCode),
    /// An HTML error page of the CDN in front of OpenRouter.
    Html(StatusCode),
    /// A 307 to another host.
    Redirect,
    /// A 403 of OpenRouter's moderation.
    Moderated,
}

/// All effects and faults that one model selects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Behaviour {
    effects: Vec<Effect>,
    /// The faults. None without the cargo feature `faults`.
    pub(super) faults: Faults,
}

impl Behaviour {
    /// Lists the models that select one behaviour or fault, with their descriptions.
    pub(super) fn models() -> impl Iterator<Item = (String, &'static str)> {
        names::models(&TABLE).chain(Faults::models())
    }

    /// Parses a model name. The error is the first unknown part.
    pub(super) fn of_model(model: &str) -> Result<Self, String> {
        let mut behaviour = Self::default();
        for name in model.strip_prefix(PREFIX).into_iter().flat_map(|names| names.split('+')) {
            match names::find(&TABLE, name) {
                Some(effect) => behaviour.effects.push(effect),
                None if behaviour.faults.add(name) => {}
                None => return Err(name.to_owned()),
            }
        }
        Ok(behaviour)
    }

    fn has(&self, effect: Effect) -> bool {
        self.effects.contains(&effect)
    }

    /// Returns the response that replaces the plain one, if any.
    pub(super) fn instead(&self) -> Option<Instead> {
        self.effects.iter().find_map(|effect| match *effect {
            Effect::Error(status) => Some(Instead::Error(status)),
            Effect::Html(status) => Some(Instead::Html(status)),
            Effect::Redirect => Some(Instead::Redirect),
            Effect::Moderated => Some(Instead::Moderated),
            _ => None,
        })
    }

    /// Applies the effects on the content of the response.
    pub(super) fn shape(&self, reply: &mut Reply<'_>) {
        for effect in &self.effects {
            match *effect {
                Effect::Long(more) => reply.tokens.extend((0..more).map(|n| format!("{n} "))),
                Effect::Cost(nano) => reply.took.inference = nano,
                Effect::ToolCost(nano) => reply.took.tools = Some(nano),
                Effect::Byok(nano) => {
                    reply.took.byok = Some(nano);
                    // OpenRouter charges a fee only beside `cost-N`.
                    if !self.effects.iter().any(|effect| matches!(effect, Effect::Cost(_))) {
                        reply.took.inference = 0;
                    }
                }
                Effect::CacheWrite(more) => {
                    reply.took.cache_write = more;
                    reply.took.prompt = reply.took.prompt.saturating_add(more);
                }
                Effect::Reasoning(more) => {
                    reply.took.reasoning = more;
                    reply.took.completion = reply.took.completion.saturating_add(more);
                }
                _ => {}
            }
        }
        reply.usage = (!self.has(Effect::NoUsage)).then_some(reply.took);
        if self.has(Effect::ToolCall) {
            reply.call = Call::of(reply.asked, &reply.id);
        }
        reply.panel_failed = self.has(Effect::PanelFailed);
        for effect in &self.effects {
            if let Effect::Fail(failure) = *effect {
                reply.fail(failure);
            }
        }
    }

    /// Returns the number of lookups for which the generation record does not exist yet.
    pub(super) fn late_record(&self) -> usize {
        self.effects
            .iter()
            .find_map(|effect| if let Effect::LateRecord(n) = effect { Some(*n) } else { None })
            .unwrap_or(0)
    }

    /// Applies the faults and the pauses to the transfer of the response. `pace` is the mock server's pause between
    /// chunks.
    pub(super) fn apply(&self, plan: &mut Plan, asked: &HeaderMap, pace: Option<Duration>, gate: &Arc<Semaphore>) {
        self.faults.apply(plan, asked, gate);
        let pace = if self.has(Effect::Gaps) { Some(pace.unwrap_or(GAP)) } else { pace };
        if let Some(gap) = pace.filter(|_| !self.has(Effect::NoGaps)) {
            plan.separate(&Step::Pause(gap));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn names_are_parsed_with_their_numbers() {
        let read = |model: &str| Behaviour::of_model(model).map(|behaviour| behaviour.effects);
        assert_eq!(read("openai/gpt-4o"), Ok(vec![]));
        assert_eq!(read("mock/gaps+cost-12"), Ok(vec![Effect::Gaps, Effect::Cost(12)]));
        assert_eq!(read("mock/error-429"), Ok(vec![Effect::Error(StatusCode::TOO_MANY_REQUESTS)]));
        for unknown in ["", "gap", "gaps-1", "cost", "cost-N", "error-42", "error-N", "cost-x"] {
            assert_eq!(read(&format!("mock/{unknown}")), Err(unknown.to_owned()));
        }
    }

    #[test]
    fn a_response_pauses_between_chunks_unless_its_model_forbids_it() {
        let pauses = |model: &str, pace: Option<Duration>| {
            let mut plan = Plan::stream(vec![Bytes::from_static(b"data: 1\n\n"); 3]);
            let behaviour = Behaviour::of_model(model).unwrap();
            behaviour.apply(&mut plan, &HeaderMap::new(), pace, &Arc::new(Semaphore::new(0)));
            plan.steps.iter().filter(|step| matches!(step, Step::Pause(_))).count()
        };
        let pace = Some(Duration::from_millis(30));
        assert_eq!(pauses("openai/gpt-4o", pace), 2);
        assert_eq!(pauses("mock/no-gaps", pace), 0);
        assert_eq!(pauses("mock/gaps", None), 2);
        assert_eq!(pauses("openai/gpt-4o", None), 0);
    }
}
