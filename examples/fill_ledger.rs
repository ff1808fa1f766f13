//! Fills a ledger with 90 days of generated requests, to try the console:
//!
//! ```text
//! cargo run --example fill_ledger -- /tmp/ledger.db 40000
//! ```
//!
//! The requests use the same calls as real ones (begin, answered, finish), so that rows, sums and users are as callsign
//! writes them. All values are computed from the request's number: every run gives the same picture.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use callsign_core::request_id::{RANDOM, RequestId};
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::settings::Settings;
use callsign_store::ledger::settings::{Mode, Store};
use callsign_store::ledger::{Begun, Finished, Ledger, RequestLabels, SentIds};
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;
use jiff::Timestamp;

/// Days before now over which the requests are spread.
const DAYS: u64 = 90;
/// User, key and tenant.
const PEOPLE: [(&str, &str, Option<&str>); 14] = [
    ("ada.lovelace", "openwebui", None),
    ("grace.hopper", "openwebui", None),
    ("alan.turing", "openwebui", None),
    ("katherine.johnson", "openwebui", None),
    ("edsger.dijkstra", "librechat", None),
    ("barbara.liskov", "librechat", None),
    ("donald.knuth", "knuths-laptop", None),
    ("radia.perlman", "librechat", None),
    ("m.hamilton@acme.example", "acme-chat", Some("acme")),
    ("j.von-neumann@acme.example", "acme-chat", Some("acme")),
    ("h.lamarr@acme.example", "acme-chat", Some("acme")),
    ("c.shannon@acme.example", "acme-batch", Some("acme")),
    ("<b>tables</b>", "openwebui", None),
    ("=2+5", "openwebui", None),
];
/// Name, provider, typical number of prompt tokens, and the price of a prompt and of a completion token in nano-USD.
const MODELS: [(&str, &str, u64, u64, u64); 5] = [
    ("anthropic/claude-sonnet-4.5", "Anthropic", 6_200, 3_000, 15_000),
    ("openai/gpt-5-mini", "OpenAI", 2_400, 250, 2_000),
    ("google/gemini-2.5-flash", "Google", 3_100, 300, 2_500),
    ("deepseek/deepseek-chat-v3.1", "DeepInfra", 1_900, 200, 800),
    ("qwen/qwen3-coder", "Fireworks", 8_400, 220, 950),
];

/// Returns a deterministic pseudo-random number (splitmix64).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Returns the age of a request in seconds: many recent ones, few at night and at weekends.
fn age(number: u64, now: u64) -> u64 {
    (0..)
        .map(|attempt| mixed(number ^ (attempt << 40)))
        .find_map(|random| {
            let age = (random % (DAYS * 86_400)).min(mixed(random) % (DAYS * 86_400 * 2));
            let at = now - age;
            let (hour, day) = (at / 3600 % 24, (at / 86_400 + 4) % 7);
            let busy = match (day, hour) {
                (0 | 6, _) => 20,
                (_, 7..18) => 100,
                (_, 5..21) => 45,
                _ => 8,
            };
            (mixed(random ^ 7) % 100 < busy).then_some(age)
        })
        .unwrap_or(0)
}

/// Returns an index below `most`: the smaller of two random ones, so that some people and models occur more often than
/// others.
fn pick(random: u64, most: usize, salt: u64) -> usize {
    let one = |salt: u64| usize::try_from(mixed(random ^ salt) % most as u64).unwrap_or(0);
    one(salt).min(one(salt + 100))
}

/// Returns the start of a request at this time.
fn begun(number: u64, random: u64, at: u64) -> anyhow::Result<Begun> {
    let (user, key, tenant) = PEOPLE[pick(random, PEOPLE.len(), 1)];
    let began_us = i64::try_from(at * 1_000_000 + random % 1_000_000)?;
    let mut bytes = [0; RANDOM];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let chat = mixed(random % 600);
    let nobody = random.is_multiple_of(31);
    let digest = format!("{:016x}", mixed(user.bytes().map(u64::from).fold(7, |sum, byte| mixed(sum ^ byte))));
    let chat = format!("{chat:016x}");
    let sent_user = (!nobody && user != "radia.perlman").then(|| format!("acme_{digest}"));
    let sent_session = format!("{chat}{digest}");
    let text = |text: &str| Some(text.into());
    Ok(Begun {
        id: RequestId::new(began_us, bytes),
        began_us,
        labels: RequestLabels {
            tenant: tenant.and_then(text),
            key: key.into(),
            user: text(user).filter(|_| !nobody),
            chat: text(&chat),
            ..RequestLabels::default()
        },
        sent: SentIds {
            user: sent_user.as_deref().and_then(text),
            session: text(&sent_session),
            chat: text(&chat),
            ..SentIds::default()
        },
        endpoint: "chat/completions".into(),
        account: text("account"),
        markup: if tenant.is_some() { "1.2".parse()? } else { Markup::ONE },
    })
}

/// Returns the end of a request.
fn finished(random: u64) -> anyhow::Result<Finished> {
    let (model, provider, prompt, prompt_price, completion_price) = MODELS[pick(random, MODELS.len(), 2)];
    let prompt = prompt / 2 + random % prompt;
    let cached = if random.is_multiple_of(3) { 0 } else { prompt * (30 + random % 60) / 100 };
    let completion = 80 + random % 900;
    let cost = (prompt - cached) * prompt_price + cached * prompt_price / 10 + completion * completion_price;
    let (outcome, status, error) = match random % 200 {
        0..3 => (Outcome::Complete, 429, Some("rate_limit_exceeded")),
        3 => (Outcome::Complete, 502, Some("provider_error")),
        4 => (Outcome::UpstreamCut, 200, Some("upstream_cut")),
        5..9 => (Outcome::ClientGone, 200, None),
        9..12 => (Outcome::Refused, 429, Some("rate_limited")),
        _ => (Outcome::Complete, 200, None),
    };
    let answered = status == 200;
    let went = outcome != Outcome::Refused;
    // Some costs have not arrived yet.
    let is_pending = outcome == Outcome::ClientGone;
    let of = |tokens: u64| answered.then_some(tokens);
    let first_output_us = (280 + random % 700 + prompt / 12) * 1000;
    Ok(Finished {
        outcome: Some(outcome),
        status,
        error: error.map(Into::into),
        limit: (!went).then(|| "rpm".into()),
        bill: match (answered, is_pending) {
            (true, true) => Bill::Pending,
            (true, false) => Bill::Known,
            (false, _) => Bill::Free,
        },
        requested_model: Some(model.into()),
        model: went.then(|| model.into()),
        provider: went.then(|| provider.into()),
        generation: None,
        usage: Usage {
            prompt_tokens: of(prompt),
            completion_tokens: of(completion),
            cached_tokens: of(cached),
            reasoning_tokens: of(completion / 4),
            cost: answered.then_some(NanoUsd(i64::try_from(cost)?)).filter(|_| !is_pending),
            ..Usage::default()
        },
        request_bytes: prompt * 4,
        response_bytes: completion * 220,
        head_us: went.then_some(first_output_us / 2),
        first_output_us: of(first_output_us),
        duration_us: (900 + completion * 14) * 1000,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path: PathBuf = arguments.next().context("usage: fill_ledger PATH [REQUESTS]")?.into();
    let requests: u64 = arguments.next().map_or(Ok(40_000), |number| number.parse())?;
    let settings = Settings {
        store: Some(Store::Sqlite(path.clone())),
        mode: Mode::Strict,
        retention_days: 36_500,
        data_dir: path.parent().map(PathBuf::from),
        data_dir_set: true,
    };
    let ledger = Ledger::open(&settings, &Arc::new(Metrics::new()), &Arc::new(TrustedClock::proven()))?;
    let now = u64::try_from(Timestamp::now().as_second())?;
    let mut committed = Vec::new();
    for number in 0..requests {
        let random = mixed(number ^ 0xABCD);
        let at = now - age(number, now);
        let finished = finished(random)?;
        let entry = ledger.begin(begun(number, random, at)?);
        if finished.outcome != Some(Outcome::Refused) {
            entry.answered(Some(&format!("gen-{at}-{number:08}")));
        }
        committed.extend(entry.finish(finished));
        if committed.len() >= 1000 {
            for row in committed.drain(..) {
                row.await;
            }
        }
    }
    for row in committed {
        row.await;
    }
    ledger.close().await;
    Ok(())
}
