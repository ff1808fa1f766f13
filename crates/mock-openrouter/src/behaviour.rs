//! Selects the behaviour of a response by the model that the request names.
//!
//! The model selects it because a header would not pass callsign's allow-list. `mock/NAME` selects one behaviour of
//! [`TABLE`], `mock/NAME+NAME` several (`mock/gate+cut-after-3`). Any other model gets the plain response. A
//! `mock/` name that is not in the table is refused, so that a test with a typo fails.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::call::Call;
use super::faults::{accepts_gzip, add_headers, compress, cut_mid_chunk, end_after, rewrite_chunks, separate};
use super::plan::{Plan, Step};
use super::reply::Reply;

/// Prefix of models that select a behaviour.
pub(super) const PREFIX: &str = "mock/";

/// Pause of `mock/gaps` if the mock server has no `pace`.
const GAP: Duration = Duration::from_millis(20);

/// One row: a name (a trailing `-N` is a number), a description, and a function from the number to the effect.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) does: &'static str,
    effect: fn(usize) -> Option<Effect>,
}

/// All behaviours. A *chunk* is one event of a stream (comments do not count) or the body of a plain response.
pub(super) const TABLE: [Row; 24] = [
    row("echo", "answers plainly", |_| Some(Effect::None)),
    row("error-N", "answers with status N and OpenRouter's error body", |n| status(n).map(Effect::Error)),
    row("html-N", "answers with status N and Cloudflare's HTML", |n| status(n).map(Effect::Html)),
    row("early-N", "answers with status N without reading the body", |n| status(n).map(Effect::Early)),
    row("redirect", "answers 307 to another host", |_| Some(Effect::Redirect)),
    row("moderated", "answers 403 as moderation does", |_| Some(Effect::Moderated)),
    row("hang", "reads the request and never answers", |_| Some(Effect::Hang)),
    row("slow-read", "waits for `release(1)` after each piece of the request body", |_| Some(Effect::SlowRead)),
    row("hang-after-N", "sends nothing more after N chunks", |n| Some(Effect::HangAfter(n))),
    row("cut-after-N", "aborts the connection after N chunks", |n| Some(Effect::CutAfter(n))),
    row("cut-mid-chunk", "aborts the connection half-way through the third (or only) chunk", |_| {
        Some(Effect::CutMidChunk)
    }),
    row("mid-error", "ends after three tokens with an error inside the 200", |_| Some(Effect::MidError)),
    row("gaps", "waits between chunks", |_| Some(Effect::Gaps)),
    row("gate", "waits for `release(1)` between chunks", |_| Some(Effect::Gate)),
    row("gate-head", "waits for `release(1)` before the head of the answer", |_| Some(Effect::GateHead)),
    row("compressed", "answers in gzip if the request accepts it", |_| Some(Effect::Compressed)),
    row("tool-call", "calls the first tool that is offered with `{\"city\":\"Paris\"}`", |_| Some(Effect::ToolCall)),
    row("no-usage", "omits the usage", |_| Some(Effect::NoUsage)),
    row("cost-N", "costs N billionths of a dollar", |n| u32::try_from(n).ok().map(Effect::Cost)),
    row("reasoning-N", "spends N more tokens on reasoning", |n| u32::try_from(n).ok().map(Effect::Reasoning)),
    row("long-N", "sends N more tokens", |n| Some(Effect::Long(n))),
    row("origin-headers", "adds headers that speak for the origin", |_| Some(Effect::Headers(&ORIGIN_HEADERS))),
    row("hop-headers", "adds hop-by-hop headers", |_| Some(Effect::Headers(&HOP_HEADERS))),
    row("crlf", "ends the lines of a stream with CR LF", |_| Some(Effect::CrLf)),
];

const fn row(name: &'static str, does: &'static str, effect: fn(usize) -> Option<Effect>) -> Row {
    Row { name, does, effect }
}

/// Headers that callsign must not relay (docs/SPEC.md#response-headers).
const ORIGIN_HEADERS: [(&str, &str); 13] = [
    ("set-cookie", "__cf_bm=origin; path=/; HttpOnly"),
    ("set-cookie", "session=origin; path=/"),
    ("strict-transport-security", "max-age=31536000"),
    ("alt-svc", "h3=\":443\"; ma=86400"),
    ("nel", "{\"success_fraction\":0,\"report_to\":\"cf-nel\"}"),
    ("report-to", "{\"group\":\"cf-nel\",\"max_age\":604800}"),
    ("reporting-endpoints", "default=\"https://openrouter.ai/report\""),
    ("clear-site-data", "\"*\""),
    ("access-control-allow-credentials", "true"),
    ("access-control-allow-headers", "authorization"),
    ("access-control-max-age", "600"),
    ("x-callsign-error", "invented_upstream"),
    ("x-callsign-anything", "invented_upstream"),
];

/// Hop-by-hop headers (RFC 9110, section 7.6.1); `connection` lists one of them.
const HOP_HEADERS: [(&str, &str); 5] = [
    ("connection", "x-hop"),
    ("x-hop", "1"),
    ("keep-alive", "timeout=5"),
    ("proxy-authenticate", "Basic realm=\"origin\""),
    ("proxy-connection", "keep-alive"),
];

/// One deviation from the plain response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    None,
    Error(StatusCode),
    Html(StatusCode),
    Early(StatusCode),
    Redirect,
    Moderated,
    Hang,
    SlowRead,
    HangAfter(usize),
    CutAfter(usize),
    CutMidChunk,
    MidError,
    ToolCall,
    Gaps,
    Gate,
    GateHead,
    Compressed,
    NoUsage,
    Cost(u32),
    Reasoning(u32),
    Long(usize),
    Headers(&'static [(&'static str, &'static str)]),
    CrLf,
}

fn status(number: usize) -> Option<StatusCode> {
    u16::try_from(number).ok().filter(|number| (200..=599).contains(number)).and_then(|n| StatusCode::from_u16(n).ok())
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
    /// No response.
    Hang,
}

/// All effects that one model selects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Behaviour(Vec<Effect>);

impl Behaviour {
    /// Parses a model name. The error is the first part that is not in [`TABLE`].
    pub(super) fn of_model(model: &str) -> Result<Self, String> {
        let Some(names) = model.strip_prefix(PREFIX) else { return Ok(Self::default()) };
        names.split('+').map(|name| effect(name).ok_or_else(|| name.to_owned())).collect::<Result<_, _>>().map(Self)
    }

    fn first<T>(&self, pick: impl Fn(Effect) -> Option<T>) -> Option<T> {
        self.0.iter().copied().find_map(pick)
    }

    fn has(&self, effect: Effect) -> bool {
        self.0.contains(&effect)
    }

    /// Returns the status to answer with before the body is read.
    pub(super) fn early(&self) -> Option<StatusCode> {
        self.first(|effect| if let Effect::Early(status) = effect { Some(status) } else { None })
    }

    /// Returns true if reading the body takes one permit after each piece.
    pub(super) fn reads_slowly(&self) -> bool {
        self.has(Effect::SlowRead)
    }

    /// Returns true if the head of the response waits for a permit.
    pub(super) fn gates_head(&self) -> bool {
        self.has(Effect::GateHead)
    }

    /// Returns the response that replaces the plain one, if any.
    pub(super) fn instead(&self) -> Option<Instead> {
        self.first(|effect| match effect {
            Effect::Error(status) => Some(Instead::Error(status)),
            Effect::Html(status) => Some(Instead::Html(status)),
            Effect::Redirect => Some(Instead::Redirect),
            Effect::Moderated => Some(Instead::Moderated),
            Effect::Hang => Some(Instead::Hang),
            _ => None,
        })
    }

    /// Applies the effects on the content of the response.
    pub(super) fn shape(&self, reply: &mut Reply<'_>) {
        if let Some(more) = self.first(|effect| if let Effect::Long(n) = effect { Some(n) } else { None }) {
            reply.tokens.extend((0..more).map(|n| format!("{n} ")));
        }
        for effect in &self.0 {
            match *effect {
                Effect::Cost(nano) => reply.took.cost = f64::from(nano) / 1e9,
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
        if self.has(Effect::MidError) {
            reply.fail();
        }
    }

    /// Applies the effects on the transfer of the response. `pace` is the mock server's pause between chunks. The order
    /// is fixed: effects on the bytes, then on their end, then on their timing.
    pub(super) fn apply(&self, plan: &mut Plan, asked: &HeaderMap, pace: Option<Duration>) {
        if self.has(Effect::CrLf) {
            rewrite_chunks(plan, |bytes| Bytes::from(String::from_utf8_lossy(&bytes).replace('\n', "\r\n")));
        }
        if self.has(Effect::Compressed) && accepts_gzip(asked) {
            compress(plan);
        }
        for effect in &self.0 {
            match *effect {
                Effect::CutAfter(chunks) => end_after(plan, chunks, Step::Cut),
                Effect::HangAfter(chunks) => end_after(plan, chunks, Step::Hang),
                Effect::CutMidChunk => cut_mid_chunk(plan),
                Effect::Headers(headers) => add_headers(plan, headers),
                _ => {}
            }
        }
        let gap = if self.has(Effect::Gaps) { Some(pace.unwrap_or(GAP)) } else { pace };
        if let Some(gap) = gap {
            separate(plan, &Step::Pause(gap));
        }
        if self.has(Effect::Gate) {
            separate(plan, &Step::Gate);
        }
    }
}

/// Parses one name: `cut-after-3` is the row `cut-after-N` with 3.
fn effect(name: &str) -> Option<Effect> {
    let find = |wanted: &str| TABLE.iter().find(|row| row.name == wanted);
    if let Some((stem, number)) = name.rsplit_once('-')
        && let Ok(number) = number.parse()
    {
        return find(&format!("{stem}-N")).and_then(|row| (row.effect)(number));
    }
    find(name).filter(|row| !row.name.ends_with("-N")).and_then(|row| (row.effect)(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_with_their_numbers() {
        let read = |model: &str| Behaviour::of_model(model).map(|behaviour| behaviour.0);
        assert_eq!(read("openai/gpt-4o"), Ok(vec![]));
        assert_eq!(read("mock/gate+cut-after-12"), Ok(vec![Effect::Gate, Effect::CutAfter(12)]));
        assert_eq!(read("mock/error-429"), Ok(vec![Effect::Error(StatusCode::TOO_MANY_REQUESTS)]));
        for unknown in ["", "gat", "gate-1", "cut-after", "cut-after-N", "error-42", "error-N", "hang-after-x"] {
            assert_eq!(read(&format!("mock/{unknown}")), Err(unknown.to_owned()));
        }
    }

    #[test]
    fn chunks_are_counted_without_comments() {
        let plan = || Plan::stream([&b"one"[..], b"two", b"three4", b"five"].map(Bytes::from_static).to_vec());
        let bent = |model| {
            let mut plan = plan();
            Behaviour::of_model(model).unwrap().apply(&mut plan, &HeaderMap::new(), None);
            let shown = plan.steps.iter().filter_map(|step| match step {
                Step::Filler(_) => None,
                Step::Chunk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                other => Some(format!("{other:?}")),
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(bent("mock/cut-after-2"), "one two Cut");
        assert_eq!(bent("mock/cut-after-0"), "Cut");
        assert_eq!(bent("mock/hang-after-9"), "one two three4 five Hang");
        assert_eq!(bent("mock/cut-mid-chunk"), "one two thr Cut");
        assert_eq!(bent("mock/gate+cut-after-3"), "one Gate two Gate three4 Cut");
    }
}
