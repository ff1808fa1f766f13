//! The rows about usage limits and about users with limits of their own.

use crate::config::settings::setting::Setting;

pub(super) const LIMITS: &[Setting] = &[
    Setting::both("CALLSIGN_LIMIT_RPM", "limits.rpm", "Maximum number of requests in any 60 seconds.").example("60"),
    Setting::both(
        "CALLSIGN_LIMIT_MESSAGES_24H",
        "limits.messages_24h",
        "Maximum number of messages in any 24 hours. A message is a request for chat, completions, responses or \
         messages; equal message ids from an app count once, and requests of its chat shortly after join it.",
    )
    .example("200"),
    Setting::both(
        "CALLSIGN_LIMIT_CONCURRENT",
        "limits.concurrent",
        "Maximum number of requests whose response has not ended.",
    )
    .example("5"),
    Setting::both(
        "CALLSIGN_LIMIT_TOKENS_DAY",
        "limits.tokens_day",
        "Maximum number of tokens per day, prompts and replies together.",
    )
    .example("1000000"),
    Setting::both("CALLSIGN_LIMIT_USD_DAY", "limits.usd_day", "Maximum spend per day.")
        .example("5")
        .unit("US dollars"),
    Setting::both("CALLSIGN_LIMIT_USD_MONTH", "limits.usd_month", "Maximum spend per calendar month.")
        .example("50")
        .unit("US dollars"),
    Setting::both(
        "CALLSIGN_LIMIT_DRY_RUN",
        "limits.dry_run",
        "Count and report, but refuse nothing. Blocks stay in force.",
    )
    .default("false"),
    Setting::both(
        "CALLSIGN_LIMIT_STORE",
        "limits.store",
        "Redis or Valkey that several callsigns share for counters and blocks: \
         `redis://USER:PASSWORD@HOST:PORT/DATABASE` or `unix:///PATH`. By default each callsign keeps them in memory \
         and in its data directory. A change needs a restart.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_LIMIT_ON_STORE_FAILURE",
        "limits.on_store_failure",
        "Treatment of callers with a limit while that store does not answer: `allow` (each callsign counts locally) or \
         `deny` (503 `limits_unavailable`). callsign reconnects every second.",
    )
    .default("allow"),
    Setting::toml(
        "limits.estimate_tokens",
        "Tokens that a request reserves until its body is known, 0 to 10^9. Then text reserves by its length, and the rest \
         keeps this.",
    )
    .default("2000"),
    Setting::toml(
        "limits.estimate_usd",
        "Spend that a request reserves until its body is known, up to 1000000. Then it reserves by OpenRouter's list \
         price, at least this unless the model is `:free`. Models without a list price and media keep this.",
    )
    .default("0.01")
    .unit("US dollars"),
    Setting::toml(
        "limits.count_byok",
        "Whether limits in dollars count what a provider bills you directly for requests with your own key at that \
         provider (BYOK). `false` counts only what OpenRouter charges.",
    )
    .default("true"),
    Setting::toml(
        "limits.models",
        "Models that may be requested; `openai/*` stands for all that begin so. All models that a request names must be \
         allowed. By default all. `models` of a tenant, key or user replaces the list.",
    )
    .list()
    .example("[\"openai/gpt-4o-mini\", \"anthropic/*\"]"),
    Setting::toml(
        "limits.timezone",
        "Time zone of days and months, as an IANA name such as `Europe/Berlin`.",
    )
    .default("UTC"),
    Setting::toml("limits.total.rpm", "Cap `rpm` on all callers together whose requests you pay for.").example("6000"),
    Setting::toml("limits.total.messages_24h", "Cap `messages_24h` on all callers together whose requests you pay for.").example("50000"),
    Setting::toml("limits.total.concurrent", "Cap `concurrent` on all callers together whose requests you pay for.").example("500"),
    Setting::toml("limits.total.tokens_day", "Cap `tokens_day` on all callers together whose requests you pay for.").example("100000000"),
    Setting::toml("limits.total.usd_day", "Cap `usd_day` on all callers together whose requests you pay for.").example("200").unit("US dollars"),
    Setting::toml("limits.total.usd_month", "Cap `usd_month` on all callers together whose requests you pay for.").example("3000").unit("US dollars"),
    Setting::toml(
        "limits.auto_block_refusals",
        "Number of refusals by providers (moderation, `user_blocked`) after which a user is blocked automatically, 1 \
         to 1000. By default nobody is.",
    )
    .example("5"),
    Setting::toml("limits.auto_block_window_seconds", "Period in which those refusals are counted, 1 to 2592000.")
        .default("3600")
        .unit("seconds"),
    Setting::toml("limits.auto_block_suspend_seconds", "Duration of an automatic block, 1 to 2592000.")
        .default("3600")
        .unit("seconds"),
];

pub(super) const USERS: &[Setting] = &[
    Setting::toml("users[].id", "User id, as the app's header, the key or the token names it. Required.")
        .example("\"mallory\""),
    Setting::toml("users[].tenant", "Tenant of the user. By default none.").example("\"acme\""),
    Setting::toml("users[].blocked", "Refuse the user's requests with 403 `user_blocked`. By default `false`.")
        .example("true"),
    Setting::toml("users[].limits.rpm", "Limit `rpm` for this user.").example("5"),
    Setting::toml("users[].limits.messages_24h", "Limit `messages_24h` for this user.").example("20"),
    Setting::toml("users[].limits.concurrent", "Limit `concurrent` for this user.").example("1"),
    Setting::toml("users[].limits.tokens_day", "Limit `tokens_day` for this user.").example("10000"),
    Setting::toml("users[].limits.usd_day", "Limit `usd_day` for this user.").example("1").unit("US dollars"),
    Setting::toml("users[].limits.usd_month", "Limit `usd_month` for this user.").example("\"off\"").unit("US dollars"),
    Setting::toml("users[].limits.models", "Models that this user may request.").list().example("[\"openai/*\"]"),
];
