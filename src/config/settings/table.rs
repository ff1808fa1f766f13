//! The rows of the table. Text only: what a value means is decided in the file of its concern.
//!
//! Settings at the top level of the TOML file come before those in its tables, as TOML wants them in a file.

mod callers;
mod limits;

use super::{Section, Setting};
use callers::{CALLERS, ISSUER, ISSUERS, KEYS, PRESETS, TENANTS};
use limits::{LIMITS, USERS};

/// Every setting under its heading.
pub static SECTIONS: &[Section] = &[
    Section { title: "Ports", intro: "", settings: PORTS },
    Section {
        title: "Callers",
        intro: "Who is let in. At least one of these, of `[[keys]]` or of the issuers is needed. Keys have at least 16 bytes; \
                `callsign key new` makes one.",
        settings: CALLERS,
    },
    Section {
        title: "Identifiers",
        intro: "What is said about a caller. See also the valves and the formats below.",
        settings: IDENTIFIERS,
    },
    Section { title: "Bodies", intro: "", settings: BODIES },
    Section {
        title: "Load",
        intro: "What is more is refused before anything leaves: a caller over its share with 429 `rate_limited`, everything \
                else with 503 `overloaded`, both with `retry-after`. Ordinary use never meets these limits.",
        settings: LOAD,
    },
    Section { title: "Shutdown and logs", intro: "", settings: PROCESS },
    Section { title: "State", intro: "", settings: STATE },
    Section { title: "Upstream", intro: "Where requests go.", settings: UPSTREAM },
    Section {
        title: "Admin port",
        intro: "See also `CALLSIGN_ADMIN_LISTEN` and `CALLSIGN_ADMIN_TOKEN`.",
        settings: ADMIN,
    },
    Section {
        title: "Ledger",
        intro: "One row per inference request: who asked, what was sent for them, what it cost, how it ended. Never a \
                prompt, a reply or a credential.",
        settings: LEDGER,
    },
    Section {
        title: "Archive",
        intro: "One encrypted file per request that went upstream, with what was sent and what came back, for the day when \
                a provider reports abuse: `docs/ARCHIVE.md`. Off by default.",
        settings: ARCHIVE,
    },
    Section {
        title: "Limits",
        intro: "How much one user of a tenant may use, or one key where no user is known; nothing is limited unless set, and \
                `off` lifts a limit. A person's own limit (`[[users]]`) wins over the key's, that over the tenant's, that \
                over these. `docs/LIMITS.md` tells the whole story.",
        settings: LIMITS,
    },
    Section {
        title: "Valves",
        intro: "Each lets one identifier of the caller out; all are off unless you open them. With all valves off \
                callsign is a scrubber: whatever the client says about itself is removed and nothing is written.",
        settings: VALVES,
    },
    Section {
        title: "Formats",
        intro: "How each identifier is written: literal text with `{user}`, `{session}`, `{chat}`, `{message}` or \
                `{tenant}` in it; `{sha256:16 user}` and `{hmac:32 user}` write that many hexadecimal digits of a hash \
                (8 to 64, all 64 without a number), `{seal user}` an opaque text that you alone can turn back. Several \
                fields, `{hmac user chat}`, are hashed together. A format whose field is absent yields nothing.",
        settings: FORMATS,
    },
    Section {
        title: "Aliases",
        intro: "Shorthands that other write-ups know. An alias together with the setting that it stands for is an \
                error if they differ; so are two aliases for one setting.",
        settings: ALIASES,
    },
    Section { title: "Static metadata", intro: "", settings: METADATA },
    Section { title: "Headers", intro: "", settings: HEADERS },
    Section { title: "Further body members", intro: "", settings: BODY },
    Section {
        title: "Keys in the file",
        intro: "`[[keys]]`, once per key. The file holds only a key's SHA-256, so it opens nothing by itself. \
                `callsign key new` prints such an entry.",
        settings: KEYS,
    },
    Section {
        title: "One issuer of tokens",
        intro: "Users of an app may bring their own signed tokens. For one issuer no file is needed.",
        settings: ISSUER,
    },
    Section {
        title: "Issuers in the file",
        intro: "`[[issuers]]`, once per issuer. The preset fills in what is not given; `docs/identity` has a page for each. \
                `exp`, `iss` (where tokens carry one) and the user claim are always required.",
        settings: ISSUERS,
    },
    Section {
        title: "Tenants",
        intro: "`[[tenants]]`, once per organisation; keys and issuers belong to one by its name. A user id lives in its \
                tenant. What a tenant does not say is the operator's.",
        settings: TENANTS,
    },
    Section {
        title: "People",
        intro: "`[[users]]`, once per person who is an exception. `callsign block` stops somebody without touching the file.",
        settings: USERS,
    },
    Section {
        title: "Presets of your own",
        intro: "`[presets.NAME]`: which headers an app's identity arrives in, for apps that no built-in preset fits.",
        settings: PRESETS,
    },
];

const PORTS: &[Setting] = &[
    Setting::both("CALLSIGN_LISTEN", "listen", "Address of the data port, where the apps connect.")
        .default("127.0.0.1:8484"),
    Setting::both(
        "CALLSIGN_ADMIN_LISTEN",
        "admin_listen",
        "Address of the admin port: health, metrics, admin API and dashboard. `off` opens none.",
    )
    .default("127.0.0.1:8485"),
    Setting::both(
        "CALLSIGN_ADMIN_TOKEN",
        "admin_token",
        "Bearer token of the admin port, at least 16 bytes. Without it only `/healthz`, `/readyz` and `/metrics` answer \
         there; those never need it.",
    )
    .secret(),
    Setting::both("CALLSIGN_TLS_CERT", "tls_cert", "PEM file with the certificate chain of the data port.")
        .example("\"/etc/callsign/tls.crt\""),
    Setting::both("CALLSIGN_TLS_KEY", "tls_key", "PEM file with its private key; needed with the certificate.")
        .example("\"/etc/callsign/tls.key\""),
    Setting::both(
        "CALLSIGN_CORS_ORIGINS",
        "cors_origins",
        "Origins whose pages may call from a browser, each as `https://chat.example`.",
    )
    .list()
    .example("[\"https://chat.example\"]"),
];

const IDENTIFIERS: &[Setting] = &[
    Setting::both(
        "CALLSIGN_MISSING_USER",
        "missing_user",
        "What happens to a caller without a user id: `omit`, `reject` (403; also for an id over the limit), or \
         `shared:ID` (that id is sent literally for all of them).",
    )
    .default("omit"),
    Setting::both(
        "CALLSIGN_ID_SECRET",
        "id_secret",
        "Key of `hmac` and `seal` in formats, and of bindings; at least 16 bytes. Needed when a format whose valve is \
         on uses one of them.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_MAX_ID_CHARS",
        "max_id_chars",
        "Limit of `user`, `session_id` and `safety_identifier`, 1 to 256. A longer identifier is omitted, never cut.",
    )
    .default("128")
    .unit("UTF-16 code units"),
];

const BODIES: &[Setting] = &[
    Setting::both("CALLSIGN_MAX_BODY_BYTES", "max_body_bytes", "A larger request body is answered with 413.")
        .default("104857600")
        .unit("bytes"),
    Setting::both(
        "CALLSIGN_HOLD_BODY_BYTES",
        "hold_body_bytes",
        "Bodies up to this size are held and checked before the upstream is dialled; 0 streams all of them.",
    )
    .default("262144")
    .unit("bytes"),
    Setting::both(
        "CALLSIGN_HOLD_TOTAL_BYTES",
        "hold_total_bytes",
        "All held bodies together; what goes beyond is streamed. 0 streams all of them.",
    )
    .default("8388608")
    .unit("bytes"),
    Setting::both(
        "CALLSIGN_PROMPT_CACHE_KEY",
        "prompt_cache_key",
        "A client's `prompt_cache_key`: `bind` (hashed together with the caller), `drop` or `keep`.",
    )
    .default("bind"),
    Setting::both(
        "CALLSIGN_SERVER_TOOLS",
        "server_tools",
        "Requests for tools that reach the files and shells which all users of one OpenRouter account share \
         (`openrouter:bash`, `openrouter:shell`, `openrouter:files`, any `container_id`): `block` (403) or `allow`.",
    )
    .default("block"),
    Setting::both(
        "CALLSIGN_REDACT_ACCOUNT",
        "redact_account",
        "Blank the operator's own `user_id` in the upstream's error bodies.",
    )
    .default("false"),
];

const LOAD: &[Setting] = &[
    Setting::both(
        "CALLSIGN_MAX_CONNECTIONS",
        "max_connections",
        "Open connections of the data port. By default, and at most, what the open-files limit allows with one to the \
         upstream beside each; never more than 65536.",
    )
    .example("16384"),
    Setting::both(
        "CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS",
        "max_connections_per_address",
        "Those of one IPv4 address or IPv6 /64. By default three quarters of all, since a trusted app or a load balancer \
         in front has one address for everybody. Give all of them to it if nobody else connects.",
    )
    .example("12288"),
    Setting::both(
        "CALLSIGN_MAX_IN_FLIGHT",
        "max_in_flight",
        "Requests whose answer has not ended, of all callers; at most what the open-files limit allows.",
    )
    .default("4096"),
    Setting::both(
        "CALLSIGN_MAX_IN_FLIGHT_PER_CALLER",
        "max_in_flight_per_caller",
        "Those of one caller: a user of a tenant, or a key where no user is known. By default a user has an eighth of all \
         (512 of 4096), but not fewer than 64, and a key, which may be many people's, three quarters.",
    )
    .example("512"),
];

const PROCESS: &[Setting] = &[
    Setting::both(
        "CALLSIGN_DRAIN_SECONDS",
        "drain_seconds",
        "How long running responses may go on after SIGTERM. A second signal stops at once.",
    )
    .default("25")
    .unit("seconds"),
    Setting::both(
        "CALLSIGN_DRAIN_DELAY_SECONDS",
        "drain_delay_seconds",
        "How long new connections are still taken after SIGTERM, while `/readyz` already answers 503; counts towards \
         the time above.",
    )
    .default("0")
    .unit("seconds"),
    Setting::both("CALLSIGN_LOG", "log", "What is logged, as a `tracing` filter: `info`, `warn,callsign=debug`. Other crates are never heard below `info`.")
        .default("info"),
    Setting::both("CALLSIGN_LOG_FORMAT", "log_format", "`text` or `json`.").default("text"),
    Setting::variable("CALLSIGN_CONFIG", "Path of the TOML file; the same as `--config`, which wins."),
];

const STATE: &[Setting] = &[Setting::both(
    "CALLSIGN_DATA_DIR",
    "data_dir",
    "Directory of embedded state, for callsign alone; made unless it is there. Only one that is a default (the image's \
     `/data`) may be unusable: callsign then starts without.",
)
.example("\"/var/lib/callsign\"")];

const LEDGER: &[Setting] = &[
    Setting::both(
        "CALLSIGN_LEDGER",
        "ledger.store",
        "`sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE` (a database of its own, which several callsigns may \
         share) or `off`. By default `ledger.db` in the data directory, and `off` without one.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_LEDGER_MODE",
        "ledger.mode",
        "`fast`: a crash may lose the last 50 ms of finished requests. `strict`: the end of a response waits until its \
         row is on the disk, two seconds at most; while rows are lost, new requests get 503 `ledger_unavailable`.",
    )
    .default("fast"),
    Setting::both(
        "CALLSIGN_LEDGER_RETENTION_DAYS",
        "ledger.retention_days",
        "Older rows, their sums, and identifiers that were not seen since are deleted, at the start and every hour.",
    )
    .default("400")
    .unit("days"),
];

const ARCHIVE: &[Setting] = &[
    Setting::both(
        "CALLSIGN_ARCHIVE_DIR",
        "archive.dir",
        "Directory of the archive, for callsign alone; made unless it is there. Turns the archive on.",
    )
    .example("\"/var/lib/callsign/archive\""),
    Setting::both(
        "CALLSIGN_ARCHIVE_PASSWORD",
        "archive.password",
        "What archives are encrypted with, 16 to 99 visible ASCII characters; needed with the directory. Long and random \
         (`openssl rand -base64 33`): nothing else protects them. Without it no archive can be read, ever.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_ARCHIVE_RETENTION_DAYS",
        "archive.retention_days",
        "Older archives are removed, at the start and every hour.",
    )
    .default("90")
    .unit("days"),
    Setting::both(
        "CALLSIGN_ARCHIVE_REQUIRED",
        "archive.required",
        "A request that could not be archived is refused with 503 `archive_unavailable`. Without, it goes on and is \
         counted.",
    )
    .default("false"),
    Setting::toml(
        "archive.everybody",
        "Whether callers are archived of whose key and tenant it is not said; the valve for all.",
    )
    .default("true"),
    Setting::toml(
        "archive.sample_percent",
        "How many conversations of a hundred are archived, 1 to 100. A conversation is archived whole or not at all; \
         where no chat is known, each request is drawn for itself.",
    )
    .default("100"),
    Setting::toml(
        "archive.max_body_bytes",
        "How much is kept of one body. What is more is left out, and `meta.json` says so.",
    )
    .default("33554432")
    .unit("bytes"),
    Setting::toml(
        "archive.max_memory_bytes",
        "What all records together may take until they are written; requests that find no room are not archived.",
    )
    .default("268435456")
    .unit("bytes"),
];

const UPSTREAM: &[Setting] = &[
    Setting::both("OPENROUTER_API_KEY", "upstream.api_key", "The operator's OpenRouter key, sent upstream.").secret(),
    Setting::both(
        "CALLSIGN_UPSTREAM_URL",
        "upstream.url",
        "Base URL of the upstream, http or https, without credentials, query or fragment.",
    )
    .default("https://openrouter.ai/api/v1"),
    Setting::both(
        "OPENROUTER_ORG_ID",
        "upstream.org_id",
        "Your organisation's id at OpenRouter: lets `whois` resolve `sha256(ORG_ID-user)`, the form that a provider may \
         report.",
    )
    .example("\"org_2a4bC6\""),
    Setting::both(
        "OPENROUTER_MANAGEMENT_KEY",
        "upstream.management_key",
        "Lets usage be compared with OpenRouter's own analytics. Never sent with a request of a caller.",
    )
    .secret(),
    Setting::toml("upstream.connect_timeout_seconds", "How long a connection may take, TLS included.")
        .default("10")
        .unit("seconds"),
    Setting::toml(
        "upstream.first_byte_timeout_seconds",
        "How long the upstream may take until its response begins; a model may think for minutes.",
    )
    .default("600")
    .unit("seconds"),
    Setting::toml(
        "upstream.idle_timeout_seconds",
        "How long the upstream may be silent within a response, while it is being read; keep-alive comments count as \
         bytes.",
    )
    .default("300")
    .unit("seconds"),
    Setting::toml(
        "upstream.http2",
        "Offer HTTP/2 to the upstream. One connection then carries all requests, and queues them at the upstream's \
         limit of streams.",
    )
    .default("false"),
];

const ADMIN: &[Setting] = &[Setting::both(
    "CALLSIGN_ADMIN_HOSTS",
    "admin.hosts",
    "Names by which the admin port may be called in a browser, besides `localhost` and IP addresses. Other `Host` headers \
     are refused, since a web page can point a name of its own at your network (DNS rebinding); `/healthz`, `/readyz` and \
     `/metrics` answer to any.",
)
.list()
.example("[\"callsign.acme.example\"]")];

const VALVES: &[Setting] = &[
    Setting::both(
        "SEND_END_USER_ID",
        "valves.send_end_user_id",
        "`user` and `metadata.user_id`; also `safety_identifier` on responses.",
    )
    .default("false"),
    Setting::both("SEND_SESSION_ID", "valves.send_session_id", "`session_id` and `metadata.session_id`.")
        .default("false"),
    Setting::both("SEND_CHAT_ID", "valves.send_chat_id", "`metadata.chat_id`.").default("false"),
    Setting::both(
        "SEND_MESSAGE_ID",
        "valves.send_message_id",
        "`metadata.message_id`. An id per message makes every request differ, which defeats OpenRouter's response \
         cache.",
    )
    .default("false"),
    Setting::both(
        "SEND_CACHE_SESSION_ID",
        "valves.send_cache_session_id",
        "The top-level `session_id`, by which OpenRouter keeps a conversation at one provider, comes from the \
         cache-session format instead; `metadata.session_id` stays with `SEND_SESSION_ID`.",
    )
    .default("false"),
    Setting::both(
        "SEND_TRACE",
        "valves.send_trace",
        "`trace` repeats the full metadata, so that the ids reach your Broadcast destinations.",
    )
    .default("false"),
];

const FORMATS: &[Setting] = &[
    Setting::both("USER_ID_FORMAT", "formats.user", "The user id.").default("{user}"),
    Setting::both("SESSION_ID_FORMAT", "formats.session", "The session id.").default("{session}"),
    Setting::both("CHAT_ID_FORMAT", "formats.chat", "The chat id.").default("{chat}"),
    Setting::both("MESSAGE_ID_FORMAT", "formats.message", "The message id.").default("{message}"),
    Setting::both("CACHE_SESSION_ID_FORMAT", "formats.cache_session", "The cache session.").default("{hmac user chat}"),
];

const ALIASES: &[Setting] = &[
    Setting::variable("OPENROUTER_USER_TRACKING", "Stands for `SEND_END_USER_ID`."),
    Setting::variable("OPENROUTER_USER_PREFIX", "`p` stands for `USER_ID_FORMAT=p_{user}`."),
    Setting::variable(
        "OPENROUTER_EXTERNAL_USER",
        "`p` stands for `USER_ID_FORMAT=p_user_{sha256:8 user}` and `CALLSIGN_MISSING_USER=shared:p`.",
    ),
];

const METADATA: &[Setting] = &[Setting::toml(
    "metadata.*",
    "A pair that every request's `metadata` carries. At most 16 pairs with the ids, names up to 64 characters without \
     brackets, values up to 512; `user_id`, `session_id`, `chat_id` and `message_id` are reserved.",
)
.example("\"eu-1\"")];

const HEADERS: &[Setting] = &[
    Setting::toml(
        "headers.forward",
        "Further request headers to pass on. Framing, hop-by-hop, credential, identity, session and forwarded names \
         are refused.",
    )
    .list()
    .example("[\"x-my-header\"]"),
    Setting::toml("headers.http_referer", "Your app's URL for OpenRouter's rankings; wins over the client's.")
        .example("\"https://acme.example\""),
    Setting::toml("headers.x_openrouter_title", "Your app's name there; wins over the client's.")
        .example("\"Acme Chat\""),
];

const BODY: &[Setting] = &[Setting::toml(
    "body.remove",
    "Further top-level members to remove from request bodies, should a new identifier appear before the next release.",
)
.list()
.example("[\"some_new_id_field\"]")];
