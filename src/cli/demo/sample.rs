//! The ledger of a demo: invented requests of two weeks, so that the console has something to show.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan, tz::TimeZone};

use crate::cli::summary::chat_fields;
use crate::config::Config;
use callsign_core::identity::Policy;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_gateway::random;
use callsign_store::ledger::record::{Begun, Finished, Name, RequestLabels, SentIds};
use callsign_store::ledger::{Ledger, LedgerError};
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;

/// Number of days before now.
const DAYS: i32 = 14;
/// Average number of requests of a busy hour.
const PER_HOUR: u64 = 5;

/// A person, or an app that names no user.
struct Person {
    user: Option<&'static str>,
    key: &'static str,
    share: u64,
}

const fn person(user: &'static str, key: &'static str, share: u64) -> Person {
    Person { user: Some(user), key, share }
}

const PEOPLE: [Person; 9] = [
    person("alice", "app", 22),
    person("bob", "app", 15),
    person("carol", "app", 14),
    person("dave", "app", 9),
    person("erin", "app", 8),
    person("frank", "app", 5),
    person("grace", "laptop", 12),
    person("heidi", "laptop", 9),
    Person { user: None, key: "nightly", share: 6 },
];

/// A model. Prices are in nano-dollars per prompt and completion token, the speed in tokens per second.
struct Model {
    name: &'static str,
    provider: &'static str,
    prices: [u64; 2],
    speed: u64,
    share: u64,
}

const fn model(name: &'static str, provider: &'static str, prices: [u64; 2], speed: u64, share: u64) -> Model {
    Model { name, provider, prices, speed, share }
}

const MODELS: [Model; 4] = [
    model("openai/gpt-5-mini", "OpenAI", [250, 2_000], 90, 40),
    model("google/gemini-2.5-flash", "Google", [300, 2_500], 160, 30),
    model("anthropic/claude-sonnet-4.5", "Anthropic", [3_000, 15_000], 60, 20),
    model("deepseek/deepseek-chat-v3.1", "DeepInfra", [200, 800], 35, 10),
];

/// Errors of OpenRouter: name, status, share. The first entry is no error.
const ERRORS: [(&str, u16, u64); 4] =
    [("", 200, 95), ("provider_unavailable", 502, 2), ("rate_limit_exceeded", 429, 2), ("moderation", 403, 1)];

/// Writes the requests into the ledger of this configuration.
///
/// # Errors
/// If the ledger cannot be opened, or the system has no random numbers.
pub(super) async fn fill(config: &Config) -> anyhow::Result<()> {
    let ledger = Ledger::open(&config.ledger, &Arc::new(Metrics::new()), &Arc::new(TrustedClock::default()))?;
    if !ledger.is_on() {
        return Err(LedgerError::Off.into());
    }
    let now = Timestamp::now();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for ago in (0..DAYS * 24).rev() {
        let hour = now.checked_sub(ago.hours())?;
        let of_day = hour.to_zoned(TimeZone::UTC).hour();
        let most = if (7..19).contains(&of_day) { PER_HOUR * 2 } else { 2 };
        for _ in 0..dice.below(most) {
            // Within the hour before `hour`, so that no request is in the future.
            let began_us = hour.as_microsecond() - i64::try_from(dice.below(3_600_000_000))? - 120_000_000;
            let (begun, finished) = request(&config.tenants.operator, began_us, &mut dice)?;
            let entry = ledger.begin(begun);
            drop(entry.finish(finished));
        }
    }
    ledger.close().await;
    Ok(())
}

/// Invents a request.
fn request(policy: &Policy, began_us: i64, dice: &mut Dice) -> anyhow::Result<(Begun, Finished)> {
    let person = PEOPLE.get(dice.index(PEOPLE.iter().map(|person| person.share)));
    let Person { user, key, .. } = *person.unwrap_or(&PEOPLE[0]);
    let model = MODELS.get(dice.index(MODELS.iter().map(|model| model.share))).unwrap_or(&MODELS[0]);
    let chat = format!("chat-{}", dice.below(40));
    let caller = CallerIdentity { key, user, chat: Some(&chat), ..CallerIdentity::default() };
    let sent = policy.identify(&caller, &[], chat_fields()).map(|identifiers| SentIds {
        user: identifiers.user.as_deref().map(Name::from),
        chat: identifiers.metadata().find(|(name, _)| *name == "chat_id").map(|(_, value)| value.into()),
        ..SentIds::default()
    });
    let begun = Begun {
        id: RequestId::new(began_us, random::bytes()?),
        began_us,
        labels: RequestLabels {
            key: key.into(),
            user: user.map(Name::from),
            chat: Some(chat.as_str().into()),
            ..RequestLabels::default()
        },
        // The operator's default refuses a caller without a user; this app's key would have its own.
        sent: sent.unwrap_or_default(),
        endpoint: "chat/completions".into(),
        account: None,
        markup: Markup::ONE,
    };
    Ok((begun, finished(model, began_us, dice)?))
}

/// Invents the end of a request.
fn finished(model: &Model, began_us: i64, dice: &mut Dice) -> anyhow::Result<Finished> {
    let (error, status, _) = *ERRORS.get(dice.index(ERRORS.iter().map(|error| error.2))).unwrap_or(&ERRORS[0]);
    let is_answered = error.is_empty();
    let (prompt, completion) = (300 + dice.below(6_000), 80 + dice.below(900));
    let (first_us, [prompt_price, completion_price]) = (250_000 + dice.below(900_000), model.prices);
    let usage = Usage {
        prompt_tokens: Some(prompt),
        completion_tokens: Some(completion),
        cached_tokens: Some(prompt * dice.below(60) / 100),
        cost: Some(NanoUsd(i64::try_from(prompt * prompt_price + completion * completion_price)?)),
        ..Usage::default()
    };
    let generation = format!("gen-{}-{:08x}", began_us / 1_000_000, dice.below(u64::from(u32::MAX)));
    Ok(Finished {
        outcome: Some(Outcome::Complete),
        status,
        error: (!is_answered).then(|| error.into()),
        limit: None,
        bill: if is_answered { Bill::Known } else { Bill::Free },
        requested_model: Some(model.name.into()),
        model: is_answered.then(|| model.name.into()),
        provider: Some(model.provider.into()),
        generation: Some(generation.into()),
        usage: if is_answered { usage } else { Usage::default() },
        request_bytes: prompt * 4,
        response_bytes: if is_answered { completion * 280 } else { 180 },
        head_us: Some(first_us / 3),
        first_output_us: is_answered.then_some(first_us),
        duration_us: if is_answered { first_us + completion * 1_000_000 / model.speed } else { first_us },
    })
}

/// A generator of reproducible numbers (xorshift64).
struct Dice(u64);

impl Dice {
    /// Returns a number below `end`, or 0.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11).checked_rem(end).unwrap_or_default()
    }

    /// Returns the index of a share, with the probability of that share.
    fn index(&mut self, shares: impl Iterator<Item = u64> + Clone) -> usize {
        let mut left = self.below(shares.clone().sum());
        shares
            .take_while(|share| match left.checked_sub(*share) {
                Some(rest) => {
                    left = rest;
                    true
                }
                None => false,
            })
            .count()
    }
}
