//! The rows about who is let in: callers, keys, issuers, tenants, presets.

use super::super::Setting;

pub(super) const CALLERS: &[Setting] = &[
    Setting::both(
        "CALLSIGN_USER_KEYS",
        "user_keys",
        "Personal keys, `alice=KEY,bob=KEY` (comma or line break between them): each stands for one user id.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_APP_KEY",
        "app_key",
        "The key of one app, whose requests name their users in the preset's headers.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_PRESET",
        "preset",
        "Which headers those are: `generic`, `openwebui`, `librechat`, `oauth2-proxy`, `authentik`, or a preset of your \
         own. Also for pass-through. A signed preset that one issuer has (see below) asks for its tokens instead.",
    )
    .default("generic"),
    Setting::both(
        "CALLSIGN_PASSTHROUGH",
        "passthrough",
        "A bearer that is no known key and starts with `sk-or-` goes upstream as the credential; its requests name \
         their users in the preset's headers.",
    )
    .default("false"),
    Setting::both(
        "CALLSIGN_CLIENT_SESSION",
        "client_session",
        "A session that the client itself sends in a header: `drop`, or `bind` (used, hashed together with the caller, \
         when the preset brings none). A session in the body is always removed.",
    )
    .default("drop"),
];

pub(super) const KEYS: &[Setting] = &[
    Setting::toml("keys[].name", "What logs and bindings call the key. No two entries share one.")
        .example("\"alice-laptop\""),
    Setting::toml("keys[].sha256", "SHA-256 of the key, 64 hexadecimal digits (`printf %s \"$KEY\" | sha256sum`).")
        .example("\"0000000000000000000000000000000000000000000000000000000000000000\""),
    Setting::toml("keys[].user", "The user id that a personal key stands for. Either this or a preset.")
        .example("\"alice\""),
    Setting::toml(
        "keys[].preset",
        "The preset whose headers name the users of an app's key, or the signed preset of an issuer whose tokens do.",
    )
    .example("\"openwebui\""),
    Setting::toml("keys[].issuer", "Which issuer, where several have that signed preset.").example("\"owui-2\""),
    Setting::toml("keys[].tenant", "The tenant that its users live in; with a signed preset the issuer's counts.")
        .example("\"acme\""),
    Setting::toml("keys[].metadata.*", "A pair that this key's requests carry in `metadata`; wins over `[metadata]`.")
        .example("\"openwebui\""),
    Setting::toml("keys[].expires", "From this moment on the key is refused, `2027-01-01T00:00:00Z`.")
        .example("2027-01-01T00:00:00Z"),
    Setting::toml("keys[].disabled", "Refuse the key; it is not passed through either.").example("false"),
    Setting::toml("keys[].bring.chat", "A header in which this key's requests may name their chat.")
        .example("\"X-Chat-Id\""),
    Setting::toml("keys[].bring.message", "A header in which they may name their message.").example("\"X-Message-Id\""),
    Setting::toml("keys[].from", "Networks from which the key is accepted; from elsewhere it is refused.")
        .list()
        .example("[\"10.0.0.0/8\"]"),
    Setting::toml("keys[].archive", "Whether its requests are archived; wins over its tenant's word and `[archive]`.")
        .example("false"),
    Setting::toml("keys[].limits.rpm", "Requests in any 60 seconds, of each of its callers.").example("120"),
    Setting::toml("keys[].limits.messages_24h", "Likewise messages in any 24 hours.").example("500"),
    Setting::toml("keys[].limits.concurrent", "Likewise requests at the same time.").example("10"),
    Setting::toml("keys[].limits.tokens_day", "Likewise tokens of a day.").example("2000000"),
    Setting::toml("keys[].limits.usd_day", "Likewise spend of a day.").example("10"),
    Setting::toml("keys[].limits.usd_month", "Likewise spend of a month.").example("100"),
];

pub(super) const ISSUER: &[Setting] = &[
    Setting::variable(
        "CALLSIGN_ISSUER_PRESET",
        "What kind of issuer it is (see `preset` below); `oidc` unless told. An issuer is there as soon as one of these \
         variables is set.",
    ),
    Setting::variable("CALLSIGN_ISSUER", "What its tokens say in `iss`; usually a URL."),
    Setting::variable("CALLSIGN_JWKS_URL", "Where its keys are, if the preset does not know."),
    Setting::variable(
        "CALLSIGN_JWT_SECRET",
        "The secret that it signs with, at least 16 bytes, for issuers that have no public keys (`openwebui-jwt`).",
    )
    .secret(),
    Setting::variable("CALLSIGN_AUDIENCE", "Whom its tokens must be meant for: one of these must be in `aud`.").list(),
    Setting::variable("CALLSIGN_AUTHORIZED_PARTIES", "Whom its tokens must be issued to: `azp` must be one of these.")
        .list(),
];

pub(super) const ISSUERS: &[Setting] = &[
    Setting::toml("issuers[].name", "What logs and keys call the issuer. No two share one.").example("\"clerk\""),
    Setting::toml(
        "issuers[].preset",
        "What kind it is: `oidc` (unless told), `clerk`, `openwebui-jwt`, `openwebui-session`, `supabase`, `firebase`, \
         `auth0`, `keycloak`, `cloudflare-access`, `google-iap`, `aws-alb`, `teleport`, `pomerium`.",
    )
    .example("\"clerk\""),
    Setting::toml("issuers[].issuer", "What its tokens say in `iss`.").example("\"https://clerk.acme.example\""),
    Setting::toml(
        "issuers[].jwks_url",
        "Where its keys are, if the preset does not know; https unless it is this machine. One of `jwks_url`, \
         `jwks_file`, `secret`.",
    )
    .example("\"https://clerk.acme.example/.well-known/jwks.json\""),
    Setting::toml("issuers[].jwks_file", "A JSON Web Key Set in a file instead.")
        .example("\"/etc/callsign/jwks.json\""),
    Setting::toml("issuers[].secret", "The secret that it signs with instead, at least 16 bytes; for HS256.").secret(),
    Setting::toml(
        "issuers[].algorithms",
        "The signatures that are accepted, whatever a token says: RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
         ES384, EdDSA; with a secret HS256, HS384, HS512.",
    )
    .list()
    .example("[\"RS256\"]"),
    Setting::toml(
        "issuers[].audience",
        "Whom its tokens must be meant for: one of these must be in `aud`. Needed for `firebase`, `auth0`, \
         `cloudflare-access` and `google-iap`.",
    )
    .list()
    .example("[\"https://api.acme.example\"]"),
    Setting::toml("issuers[].authorized_parties", "Whom its tokens must be issued to: `azp` must be one of these.")
        .list()
        .example("[\"https://acme.example\"]"),
    Setting::toml(
        "issuers[].header",
        "Where its tokens arrive. In `authorization` a token is the credential; elsewhere it needs the key of an app \
         beside it, whose preset is the issuer's.",
    )
    .example("\"authorization\""),
    Setting::toml("issuers[].claims.user", "The claim that names the user.").example("\"sub\""),
    Setting::toml("issuers[].claims.session", "The claim that names the session.").example("\"sid\""),
    Setting::toml("issuers[].bring.chat", "A header in which its users' requests may name their chat.")
        .example("\"X-Chat-Id\""),
    Setting::toml("issuers[].bring.message", "A header in which they may name their message.")
        .example("\"X-Message-Id\""),
    Setting::toml("issuers[].leeway_seconds", "By how much clocks may differ, 0 to 300; 5 unless told.")
        .example("5")
        .unit("seconds"),
    Setting::toml("issuers[].signer", "`aws-alb` only: the ARN of the load balancer.")
        .example("\"arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/acme/0123456789abcdef\""),
    Setting::toml("issuers[].tenant", "The tenant that its users live in.").example("\"acme\""),
];

pub(super) const TENANTS: &[Setting] = &[
    Setting::toml("tenants[].name", "Its name, as keys, issuers and `{tenant}` say it.").example("\"acme\""),
    Setting::toml("tenants[].openrouter_api_key", "The OpenRouter key that pays for it; yours without.").secret(),
    Setting::toml(
        "tenants[].id_secret",
        "Key of its `hmac`, `seal` and bindings; one derived from yours and its name without.",
    )
    .secret(),
    Setting::toml(
        "tenants[].missing_user",
        "What happens to its callers without a user id: `omit`, `reject` or `shared:ID`.",
    )
    .example("\"reject\""),
    Setting::toml(
        "tenants[].markup",
        "What you charge for each dollar of OpenRouter's: a factor with up to six decimals, beside the cost in the ledger.",
    )
    .example("\"1.25\""),
    Setting::toml("tenants[].archive", "Whether its callers' requests are archived; wins over `[archive]`.")
        .example("false"),
    Setting::toml("tenants[].formats.user", "How its users' ids are written.").example("\"acme_{hmac:32 user}\""),
    Setting::toml("tenants[].formats.session", "Likewise its sessions.").example("\"{session}\""),
    Setting::toml("tenants[].formats.chat", "Likewise its chats.").example("\"{chat}\""),
    Setting::toml("tenants[].formats.message", "Likewise its messages.").example("\"{message}\""),
    Setting::toml("tenants[].formats.cache_session", "Likewise its cache sessions.").example("\"{hmac user chat}\""),
    Setting::toml("tenants[].valves.send_end_user_id", "Whether its users' ids leave.").example("false"),
    Setting::toml("tenants[].valves.send_session_id", "Whether its session ids leave.").example("false"),
    Setting::toml("tenants[].valves.send_chat_id", "Whether its chat ids leave.").example("false"),
    Setting::toml("tenants[].valves.send_message_id", "Whether its message ids leave.").example("false"),
    Setting::toml("tenants[].valves.send_cache_session_id", "Whether its cache sessions leave.").example("false"),
    Setting::toml("tenants[].valves.send_trace", "Whether `trace` repeats its metadata.").example("false"),
    Setting::toml(
        "tenants[].metadata.*",
        "A pair that its requests carry in `metadata`; wins over `[metadata]`, not over the key's.",
    )
    .example("\"eu-1\""),
    Setting::toml("tenants[].limits.rpm", "Requests in any 60 seconds, of each of its callers.").example("120"),
    Setting::toml("tenants[].limits.messages_24h", "Likewise messages in any 24 hours.").example("500"),
    Setting::toml("tenants[].limits.concurrent", "Likewise requests at the same time.").example("10"),
    Setting::toml("tenants[].limits.tokens_day", "Likewise tokens of a day.").example("2000000"),
    Setting::toml("tenants[].limits.usd_day", "Likewise spend of a day.").example("10"),
    Setting::toml("tenants[].limits.usd_month", "Likewise spend of a month.").example("100"),
];

pub(super) const PRESETS: &[Setting] = &[
    Setting::toml("presets.*.user", "The header with the user id; every preset names one.").example("\"X-House-User\""),
    Setting::toml("presets.*.session", "The header with the session.").example("\"X-House-Session\""),
    Setting::toml("presets.*.chat", "The header with the chat.").example("\"X-House-Chat\""),
    Setting::toml("presets.*.message", "The header with the message.").example("\"X-House-Message\""),
];
