//! The rows about callers: keys, token issuers, tenants, presets.

use crate::config::settings::setting::Setting;

pub(super) const CALLERS: &[Setting] = &[
    Setting::both(
        "CALLSIGN_USER_KEYS",
        "user_keys",
        "Personal keys, `alice=KEY,bob=KEY`, separated by commas or line breaks. Every request with such a key is that \
         user's.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_APP_KEY",
        "app_key",
        "Key of one app, whose requests name their user in the headers of `preset`.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_PRESET",
        "preset",
        "Headers that name the user of a request, for the app key and for pass-through: `generic` (`X-User-Id`, …), \
         `openwebui`, `librechat`, `oauth2-proxy`, `authentik` or a `[presets]` table. For the app key also the preset \
         of a token issuer, whose tokens then name the user.",
    )
    .default("generic"),
    Setting::both(
        "CALLSIGN_PASSTHROUGH",
        "passthrough",
        "Accept unknown bearer tokens that start with `sk-or-` and send them upstream, so that callers pay with their \
         own OpenRouter key. Their requests name users in the headers of `preset`.",
    )
    .default("false"),
    Setting::both(
        "CALLSIGN_CLIENT_SESSION",
        "client_session",
        "Treatment of a session id that the client itself sends in a header: `drop` ignores it, `bind` uses a hash of \
         it and the caller if the preset has no session. A session id in the body is always removed.",
    )
    .default("drop"),
    Setting::both(
        "CALLSIGN_KEYS_MAX_STALE_SECONDS",
        "keys_max_stale_seconds",
        "Maximum age of the list of keys in the database while their place (PostgreSQL, Redis or `state.db`) does not \
         answer, 1 to 86400. Then these keys get 503 `keys_unavailable`; configured keys are not affected.",
    )
    .default("60")
    .unit("seconds"),
];

pub(super) const KEYS: &[Setting] = &[
    Setting::toml(
        "keys[].name",
        "Name of the key in logs, metrics and bindings. Required and unique; at most 256 bytes.",
    )
    .example("\"alice-laptop\""),
    Setting::toml(
        "keys[].sha256",
        "SHA-256 of the key as 64 hexadecimal digits (`printf %s \"$KEY\" | sha256sum`). Required.",
    )
    .example("\"0000000000000000000000000000000000000000000000000000000000000000\""),
    Setting::toml("keys[].user", "User id of a personal key, at most 512 bytes. Set either `user` or `preset`.")
        .example("\"alice\""),
    Setting::toml(
        "keys[].preset",
        "Preset of an app's key: its headers name the users, or tokens do if it is the preset of a token issuer.",
    )
    .example("\"openwebui\""),
    Setting::toml("keys[].issuer", "Name of the token issuer, if several issuers have that preset.")
        .example("\"owui-2\""),
    Setting::toml(
        "keys[].tenant",
        "Tenant of the key's callers. With the preset of a token issuer, the issuer's tenant applies.",
    )
    .example("\"acme\""),
    Setting::toml(
        "keys[].metadata.*",
        "A name and value added to the `metadata` of this key's requests. It overrides `[metadata]` and the tenant's.",
    )
    .example("\"openwebui\""),
    Setting::toml(
        "keys[].expires",
        "Time from which the key is refused, with its offset, as `2027-01-01T00:00:00Z`. By default never.",
    )
    .example("2027-01-01T00:00:00Z"),
    Setting::toml("keys[].disabled", "Refuse the key, also as a pass-through key. By default `false`.")
        .example("false"),
    Setting::toml(
        "keys[].headers.chat",
        "Header in which requests with this personal key may name their chat. By default none.",
    )
    .example("\"X-Chat-Id\""),
    Setting::toml(
        "keys[].headers.message",
        "Header in which requests with this personal key may name their message. By default none.",
    )
    .example("\"X-Message-Id\""),
    Setting::toml(
        "keys[].allowed_networks",
        "Networks from which the key is accepted, as `10.0.0.0/8` or one address. By default any.",
    )
    .list()
    .example("[\"10.0.0.0/8\"]"),
    Setting::toml(
        "keys[].archive",
        "Archive this key's requests. It overrides the tenant's `archive` and `archive.by_default`.",
    )
    .example("false"),
    Setting::toml("keys[].limits.rpm", "Limit `rpm` for each caller of this key.").example("120"),
    Setting::toml("keys[].limits.messages_24h", "Limit `messages_24h` for each caller of this key.").example("500"),
    Setting::toml("keys[].limits.concurrent", "Limit `concurrent` for each caller of this key.").example("10"),
    Setting::toml("keys[].limits.tokens_day", "Limit `tokens_day` for each caller of this key.").example("2000000"),
    Setting::toml("keys[].limits.usd_day", "Limit `usd_day` for each caller of this key.")
        .example("10")
        .unit("US dollars"),
    Setting::toml("keys[].limits.usd_month", "Limit `usd_month` for each caller of this key.")
        .example("100")
        .unit("US dollars"),
    Setting::toml("keys[].limits.models", "Models that callers of this key may request.")
        .list()
        .example("[\"openai/*\"]"),
    Setting::toml("keys[].total_limits.rpm", "Cap `rpm` on all callers of this key together.").example("600"),
    Setting::toml("keys[].total_limits.messages_24h", "Cap `messages_24h` on all callers of this key together.")
        .example("5000"),
    Setting::toml("keys[].total_limits.concurrent", "Cap `concurrent` on all callers of this key together.")
        .example("50"),
    Setting::toml("keys[].total_limits.tokens_day", "Cap `tokens_day` on all callers of this key together.")
        .example("10000000"),
    Setting::toml("keys[].total_limits.usd_day", "Cap `usd_day` on all callers of this key together.")
        .example("50")
        .unit("US dollars"),
    Setting::toml("keys[].total_limits.usd_month", "Cap `usd_month` on all callers of this key together.")
        .example("500")
        .unit("US dollars"),
];

pub(super) const ISSUER: &[Setting] = &[
    Setting::variable(
        "CALLSIGN_ISSUER_PRESET",
        "Kind of issuer, see `issuers[].preset` below; by default `oidc`. Any of these variables adds the issuer.",
    ),
    Setting::variable("CALLSIGN_ISSUER", "Value of `iss` in its tokens; usually a URL."),
    Setting::variable("CALLSIGN_JWKS_URL", "URL of its public keys (JWKS). By default the preset derives it."),
    Setting::variable(
        "CALLSIGN_JWT_SECRET",
        "Secret that signs its tokens, at least 16 bytes, for issuers without public keys (`openwebui-jwt`).",
    )
    .secret(),
    Setting::variable("CALLSIGN_AUDIENCE", "Accepted audiences: a token's `aud` must contain one of these.").list(),
    Setting::variable("CALLSIGN_AUTHORIZED_PARTIES", "Accepted parties: a token's `azp` must be one of these.").list(),
];

pub(super) const ISSUERS: &[Setting] = &[
    Setting::toml(
        "issuers[].name",
        "Name of the issuer in logs and in `keys[].issuer`. Required and unique; at most 256 bytes.",
    )
    .example("\"clerk\""),
    Setting::toml(
        "issuers[].preset",
        "Kind of issuer: `oidc` (the default), `clerk`, `openwebui-jwt`, `openwebui-session`, `supabase`, `firebase`, \
         `auth0`, `keycloak`, `cloudflare-access`, `google-iap`, `aws-alb`, `teleport`, `pomerium`.",
    )
    .example("\"clerk\""),
    Setting::toml("issuers[].issuer", "Value of `iss` in its tokens. Some presets derive it.")
        .example("\"https://clerk.acme.example\""),
    Setting::toml(
        "issuers[].jwks_url",
        "URL of its public keys (JWKS): https, or http on a loopback address. By default the preset derives it. Set at \
         most one of `jwks_url`, `jwks_file` and `secret`.",
    )
    .example("\"https://clerk.acme.example/.well-known/jwks.json\""),
    Setting::toml("issuers[].jwks_file", "File with its public keys (JWKS), instead of a URL.")
        .example("\"/etc/callsign/jwks.json\""),
    Setting::toml(
        "issuers[].secret",
        "Secret that signs its tokens (HS256 by default), at least 16 bytes, instead of public keys.",
    )
    .secret(),
    Setting::toml(
        "issuers[].algorithms",
        "Accepted signature algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA; with a secret \
         HS256, HS384, HS512. By default the preset's. The token's own `alg` adds none.",
    )
    .list()
    .example("[\"RS256\"]"),
    Setting::toml(
        "issuers[].audience",
        "Accepted audiences: a token's `aud` must contain one of these. Required for `firebase`, `auth0`, \
         `cloudflare-access` and `google-iap`.",
    )
    .list()
    .example("[\"https://api.acme.example\"]"),
    Setting::toml(
        "issuers[].authorized_parties",
        "Accepted parties: a token's `azp` must be one of these. By default any.",
    )
    .list()
    .example("[\"https://acme.example\"]"),
    Setting::toml(
        "issuers[].header",
        "Header that carries its tokens; by default the preset's. In `authorization` the token is the credential. In \
         another header a request also needs an app's key whose preset is the issuer's.",
    )
    .example("\"authorization\""),
    Setting::toml("issuers[].claims.user", "Claim with the user id. By default the preset's.").example("\"sub\""),
    Setting::toml("issuers[].claims.session", "Claim with the session id. By default the preset's.").example("\"sid\""),
    Setting::toml(
        "issuers[].headers.chat",
        "Header in which its users' requests may name their chat. By default the preset's, usually `X-Chat-Id`.",
    )
    .example("\"X-Chat-Id\""),
    Setting::toml(
        "issuers[].headers.message",
        "Header in which its users' requests may name their message. By default the preset's, usually `X-Message-Id`.",
    )
    .example("\"X-Message-Id\""),
    Setting::toml("issuers[].leeway_seconds", "Accepted clock difference for `exp` and `nbf`, 0 to 300. By default 5.")
        .example("5")
        .unit("seconds"),
    Setting::toml(
        "issuers[].signer",
        "ARN of the load balancer that signs the tokens. Required for `aws-alb`, refused elsewhere.",
    )
    .example("\"arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/acme/0123456789abcdef\""),
    Setting::toml("issuers[].tenant", "Tenant of its users. By default none.").example("\"acme\""),
];

pub(super) const TENANTS: &[Setting] = &[
    Setting::toml(
        "tenants[].name",
        "Name of the tenant, used by keys, issuers and `{tenant}`. Required and unique; at most 256 bytes.",
    )
    .example("\"acme\""),
    Setting::toml(
        "tenants[].openrouter_api_key",
        "OpenRouter key that pays for the tenant's requests. By default `OPENROUTER_API_KEY`.",
    )
    .secret(),
    Setting::toml(
        "tenants[].id_secret",
        "Key of the tenant's `hmac`, `seal` and bindings, at least 16 bytes. By default derived from \
         `CALLSIGN_ID_SECRET` and the tenant's name.",
    )
    .secret(),
    Setting::toml(
        "tenants[].missing_user",
        "Treatment of the tenant's requests without a user id: `omit`, `reject` or `shared:ID`.",
    )
    .example("\"reject\""),
    Setting::toml(
        "tenants[].markup",
        "Factor from OpenRouter's cost to the amount you charge, 0 to 1000 with up to six decimals. By default 1. The \
         ledger stores both amounts.",
    )
    .example("\"1.25\""),
    Setting::toml("tenants[].archive", "Archive the tenant's requests. It overrides `archive.by_default`.")
        .example("false"),
    Setting::toml("tenants[].formats.user", "Format of the tenant's user ids.").example("\"acme_{hmac:32 user}\""),
    Setting::toml("tenants[].formats.session", "Format of the tenant's session ids.").example("\"{session}\""),
    Setting::toml("tenants[].formats.chat", "Format of the tenant's chat ids.").example("\"{chat}\""),
    Setting::toml("tenants[].formats.message", "Format of the tenant's message ids.").example("\"{message}\""),
    Setting::toml("tenants[].formats.cache_session", "Format of the tenant's cache sessions.")
        .example("\"{hmac user chat}\""),
    Setting::toml("tenants[].valves.send_end_user_id", "Send the tenant's user ids.").example("false"),
    Setting::toml("tenants[].valves.send_session_id", "Send the tenant's session ids.").example("false"),
    Setting::toml("tenants[].valves.send_chat_id", "Send the tenant's chat ids.").example("false"),
    Setting::toml("tenants[].valves.send_message_id", "Send the tenant's message ids.").example("false"),
    Setting::toml("tenants[].valves.send_cache_session_id", "Send the tenant's cache sessions.").example("false"),
    Setting::toml("tenants[].valves.send_trace", "Repeat the tenant's metadata as `trace`.").example("false"),
    Setting::toml(
        "tenants[].metadata.*",
        "A name and value added to the `metadata` of the tenant's requests. It overrides `[metadata]`; a key's \
         overrides it.",
    )
    .example("\"eu-1\""),
    Setting::toml("tenants[].limits.rpm", "Limit `rpm` for each caller of the tenant.").example("120"),
    Setting::toml("tenants[].limits.messages_24h", "Limit `messages_24h` for each caller of the tenant.")
        .example("500"),
    Setting::toml("tenants[].limits.concurrent", "Limit `concurrent` for each caller of the tenant.").example("10"),
    Setting::toml("tenants[].limits.tokens_day", "Limit `tokens_day` for each caller of the tenant.")
        .example("2000000"),
    Setting::toml("tenants[].limits.usd_day", "Limit `usd_day` for each caller of the tenant.")
        .example("10")
        .unit("US dollars"),
    Setting::toml("tenants[].limits.usd_month", "Limit `usd_month` for each caller of the tenant.")
        .example("100")
        .unit("US dollars"),
    Setting::toml("tenants[].limits.models", "Models that callers of the tenant may request.")
        .list()
        .example("[\"openai/*\"]"),
    Setting::toml("tenants[].total_limits.rpm", "Cap `rpm` on all callers of the tenant together.").example("600"),
    Setting::toml("tenants[].total_limits.messages_24h", "Cap `messages_24h` on all callers of the tenant together.")
        .example("5000"),
    Setting::toml("tenants[].total_limits.concurrent", "Cap `concurrent` on all callers of the tenant together.")
        .example("50"),
    Setting::toml("tenants[].total_limits.tokens_day", "Cap `tokens_day` on all callers of the tenant together.")
        .example("10000000"),
    Setting::toml("tenants[].total_limits.usd_day", "Cap `usd_day` on all callers of the tenant together.")
        .example("50")
        .unit("US dollars"),
    Setting::toml("tenants[].total_limits.usd_month", "Cap `usd_month` on all callers of the tenant together.")
        .example("500")
        .unit("US dollars"),
];

pub(super) const PRESETS: &[Setting] = &[
    Setting::toml("presets.*.user", "Header with the user id. Required.").example("\"X-House-User\""),
    Setting::toml("presets.*.session", "Header with the session id. By default none.").example("\"X-House-Session\""),
    Setting::toml("presets.*.chat", "Header with the chat id. By default none.").example("\"X-House-Chat\""),
    Setting::toml(
        "presets.*.charset",
        "Character set of the headers: `utf-8`, or `latin-1` for an app whose HTTP library writes ISO 8859-1. By default \
         `utf-8`.",
    )
    .example("\"latin-1\""),
    Setting::toml("presets.*.message", "Header with the message id. By default none.").example("\"X-House-Message\""),
];
