//! The rows about how much may be used, and by whom.

use super::super::Setting;

pub(super) const LIMITS: &[Setting] = &[
    Setting::both("CALLSIGN_LIMIT_RPM", "limits.rpm", "Requests in any 60 seconds.").example("60"),
    Setting::both(
        "CALLSIGN_LIMIT_MESSAGES_24H",
        "limits.messages_24h",
        "Messages in any 24 hours: requests for chat, completions, responses or messages, of which equal non-empty \
         message ids of one user count once.",
    )
    .example("200"),
    Setting::both("CALLSIGN_LIMIT_CONCURRENT", "limits.concurrent", "Requests whose answer has not ended.").example("5"),
    Setting::both("CALLSIGN_LIMIT_TOKENS_DAY", "limits.tokens_day", "Tokens of a day (UTC), prompts and replies.")
        .example("1000000"),
    Setting::both("CALLSIGN_LIMIT_USD_DAY", "limits.usd_day", "Spend of a day (UTC).").example("5").unit("US dollars"),
    Setting::both("CALLSIGN_LIMIT_USD_MONTH", "limits.usd_month", "Spend of a calendar month (UTC).")
        .example("50")
        .unit("US dollars"),
    Setting::both("CALLSIGN_LIMIT_DRY_RUN", "limits.dry_run", "Count and report, refuse nobody. Blocks hold all the same.")
        .default("false"),
    Setting::both(
        "CALLSIGN_LIMIT_STORE",
        "limits.store",
        "`redis://USER:PASSWORD@HOST:PORT/DATABASE` (Redis or Valkey; also `unix:///PATH`): counters and blocks that \
         several callsigns share. By default they are kept in memory and in the data directory. Fixed at start.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_LIMIT_STORE_DOWN",
        "limits.store_down",
        "While the store is away: `open` (each callsign counts by itself) or `closed` (503 `limits_unavailable` for whoever \
         has a limit). It is tried again every second.",
    )
    .default("open"),
    Setting::toml(
        "limits.estimate_tokens",
        "What a request reserves of a token limit until its answer says what it took; stays charged if no answer does.",
    )
    .default("2000"),
    Setting::toml("limits.estimate_usd", "Likewise of a spend limit.").default("0.01").unit("US dollars"),
    Setting::toml(
        "limits.breaker_refusals",
        "So many refusals of one user by providers (moderation, `user_blocked`) suspend the user. Off without.",
    )
    .example("5"),
    Setting::toml("limits.breaker_window_seconds", "The time within which they count.").default("3600").unit("seconds"),
    Setting::toml("limits.breaker_suspend_seconds", "How long the user is suspended.").default("3600").unit("seconds"),
];

pub(super) const USERS: &[Setting] = &[
    Setting::toml("users[].id", "The user's id, as the app, the key or the token names it.").example("\"mallory\""),
    Setting::toml("users[].tenant", "The tenant that the user lives in; none without.").example("\"acme\""),
    Setting::toml("users[].blocked", "Refuse everything with 403 `user_blocked`.").example("true"),
    Setting::toml("users[].limits.rpm", "Requests in any 60 seconds.").example("5"),
    Setting::toml("users[].limits.messages_24h", "Messages in any 24 hours.").example("20"),
    Setting::toml("users[].limits.concurrent", "Requests at the same time.").example("1"),
    Setting::toml("users[].limits.tokens_day", "Tokens of a day.").example("10000"),
    Setting::toml("users[].limits.usd_day", "Spend of a day.").example("1"),
    Setting::toml("users[].limits.usd_month", "Spend of a month.").example("\"off\""),
];
