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

pub(super) const ADMIN_ISSUERS: &[Setting] = &[
    Setting::toml("admin.issuers[].name", "Name of the issuer in the log. Required and unique.").example("\"access\""),
    Setting::toml(
        "admin.issuers[].preset",
        "Kind of issuer: `oidc` (the default), `auth0`, `keycloak`, `cloudflare-access`, `google-iap`, `teleport` or \
         `pomerium`. The tokens of the other presets have no audience of the console alone.",
    )
    .example("\"cloudflare-access\""),
    Setting::toml(
        "admin.issuers[].audience",
        "The audience of the tokens: one entry, which a token must have as its only audience. Required. No entry of \
         `[[issuers]]` may accept it.",
    )
    .list()
    .example("[\"0000000000000000000000000000000000000000000000000000000000000000\"]"),
    Setting::toml(
        "admin.issuers[].operators",
        "Users who may do everything, as the claim of the user writes them. At least one operator or viewer is required.",
    )
    .list()
    .example("[\"dana@acme.example\"]"),
    Setting::toml("admin.issuers[].viewers", "Users who may read sums, by model, provider and app.")
        .list()
        .example("[\"lee@acme.example\"]"),
    Setting::toml("admin.issuers[].persons", "Let the viewers read about single users, as `admin.tokens[].persons`.")
        .example("true"),
    Setting::toml(
        "admin.issuers[].header",
        "Header in which the proxy sends the token; by default the preset's. `authorization` is refused. The proxy must \
         replace the header of its clients.",
    )
    .example("\"X-Id-Token\""),
    Setting::toml(
        "admin.issuers[].claims.user",
        "Claim with the user. By default the preset's, `sub`. With `email`, tokens whose `email_verified` is not true \
         are refused.",
    )
    .example("\"email\""),
    Setting::toml("admin.issuers[].issuer", "As `issuers[].issuer`.").example("\"https://acme.cloudflareaccess.com\""),
    Setting::toml("admin.issuers[].jwks_url", "As `issuers[].jwks_url`.").example("\"https://id.acme.example/jwks\""),
    Setting::toml("admin.issuers[].jwks_file", "As `issuers[].jwks_file`.").example("\"/etc/callsign/jwks.json\""),
    Setting::toml("admin.issuers[].algorithms", "As `issuers[].algorithms`, public keys only.")
        .list()
        .example("[\"RS256\"]"),
    Setting::toml("admin.issuers[].authorized_parties", "As `issuers[].authorized_parties`.")
        .list()
        .example("[\"https://console.acme.example\"]"),
    Setting::toml("admin.issuers[].leeway_seconds", "As `issuers[].leeway_seconds`.").example("5").unit("seconds"),
];
