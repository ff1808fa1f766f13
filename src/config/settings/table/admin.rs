//! The settings of the operator's tokens and alerts.

use crate::config::settings::setting::Setting;

pub(super) const ALERTS: &[Setting] = &[
    Setting::both(
        "CALLSIGN_ALERT_WEBHOOK",
        "alerts.webhook",
        "URL that gets alerts as JSON with a `text` for Slack: https, or http of this machine. It is a secret, and the key of \
         the signature.",
    )
    .secret(),
    Setting::toml(
        "alerts.name_people",
        "Name users in alerts by their id even if the user format writes ids raw. By default a digest names them then.",
    )
    .default("false"),
];

pub(super) const ADMIN_TOKENS: &[Setting] = &[
    Setting::toml("admin.tokens[].name", "Name of the token in the audit log. Required and unique.").example("\"dana\""),
    Setting::toml(
        "admin.tokens[].sha256",
        "SHA-256 of the token as 64 hexadecimal digits (`printf %s \"$TOKEN\" | sha256sum`). Required. Make a token with \
         `openssl rand -hex 32`.",
    )
    .example("\"0000000000000000000000000000000000000000000000000000000000000000\""),
    Setting::toml(
        "admin.tokens[].role",
        "`viewer` reads sums, by model, provider and app; `operator` may do everything. Required.",
    )
    .example("\"viewer\""),
    Setting::toml(
        "admin.tokens[].persons",
        "Let a viewer read about single users: their usage, requests and identifiers. Such reads are rows of the audit \
         log. Off by default.",
    )
    .example("true"),
];
