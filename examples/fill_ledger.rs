//! Fills a ledger with 90 days of generated requests, to try the dashboard:
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
use callsign_core::usage::Usage;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::settings::Settings;
use callsign_store::ledger::settings::{Mode, Store};
use callsign_store::ledger::{AskedBy, Begun, End, Finished, Ledger};
use callsign_telemetry::metrics::Metrics;
use jiff::Timestamp;
use uuid::{NoContext, Uuid};

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

fn request(number: u64, now: u64) -> anyhow::Result<(Begun, String, Finished)> {
    let random = mixed(number ^ 0xABCD);
    // The smaller of two random numbers, so that some people and models occur more often than others.
    let pick = |most: usize, salt: u64| {
        let one = |salt: u64| usize::try_from(mixed(random ^ salt) % most as u64).unwrap_or(0);
        one(salt).min(one(salt + 100))
    };
    let (user, key, tenant) = PEOPLE[pick(PEOPLE.len(), 1)];
    let (model, provider, prompt, prompt_price, completion_price) = MODELS[pick(MODELS.len(), 2)];
    let at = now - age(number, now);
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, at, u32::try_from(random % 1_000_000_000)?));
    let chat = mixed(random % 600);
    let nobody = random.is_multiple_of(31);
    let digest = format!("{:016x}", mixed(user.bytes().map(u64::from).fold(7, |sum, byte| mixed(sum ^ byte))));
    let chat = format!("{chat:016x}");
    let sent_user = (!nobody && user != "radia.perlman").then(|| format!("acme_{digest}"));
    let sent_session = format!("{chat}{digest}");
    let asked = AskedBy {
        tenant,
        key,
        user: (!nobody).then_some(user),
        chat: Some(&chat),
        sent_user: sent_user.as_deref(),
        sent_session: Some(&sent_session),
        sent_chat: Some(&chat),
        endpoint: "chat/completions",
        markup: if tenant.is_some() { "1.2".parse()? } else { Markup::ONE },
        ..AskedBy::default()
    };
    let began_us = i64::try_from(at * 1_000_000)?;
    let begun = Begun { id, began_us, names: Arc::new((&asked).into()), message: None, sent_message: None };
    let prompt = prompt / 2 + random % prompt;
    let cached = if random.is_multiple_of(3) { 0 } else { prompt * (30 + random % 60) / 100 };
    let completion = 80 + random % 900;
    let cost = (prompt - cached) * prompt_price + cached * prompt_price / 10 + completion * completion_price;
    let (end, status, error) = match random % 200 {
        0..3 => (End::Complete, 429, Some("rate_limit_exceeded")),
        3 => (End::Complete, 502, Some("provider_error")),
        4 => (End::UpstreamCut, 200, None),
        5..9 => (End::ClientGone, 200, None),
        _ => (End::Complete, 200, None),
    };
    let answered = status == 200;
    let of = |tokens: u64| answered.then_some(tokens);
    let finished = Finished {
        end,
        status,
        error: error.map(Into::into),
        model: Some(model.into()),
        provider: Some(provider.into()),
        generation: None,
        usage: Usage {
            prompt_tokens: of(prompt),
            completion_tokens: of(completion),
            cached_tokens: of(cached),
            reasoning_tokens: of(completion / 4),
            cost: answered.then_some(NanoUsd(i64::try_from(cost)?)),
            ..Usage::default()
        },
        request_bytes: prompt * 4,
        response_bytes: completion * 220,
        first_byte_us: Some((280 + random % 700 + prompt / 12) * 1000),
        duration_us: (900 + completion * 14) * 1000,
    };
    Ok((begun, format!("gen-{at}-{number:08}"), finished))
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
    let ledger = Ledger::open(&settings, &Arc::new(Metrics::new()))?;
    let now = u64::try_from(Timestamp::now().as_second())?;
    let mut committed = Vec::new();
    for number in 0..requests {
        let (begun, generation, finished) = request(number, now)?;
        let entry = ledger.begin(begun);
        entry.answered(Some(&generation));
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
