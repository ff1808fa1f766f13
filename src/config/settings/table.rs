//! The rows of the settings table, grouped under the headings of the documentation. Text only: each concern's file
//! parses its values and checks their limits.
//!
//! Settings at the top level of the TOML file come before those in tables, because TOML requires that order in a file.

mod admin;
mod callers;
mod identifiers;
mod limits;
mod upstream;

use super::setting::{Section, Setting};
use admin::{ADMIN_ISSUERS, ADMIN_TOKENS, ALERTS};
use callers::{CALLERS, ISSUER, ISSUERS, KEYS, PRESETS, TENANTS};
use identifiers::{ALIASES, FORMATS, IDENTIFIERS, METADATA, VALVES};
use limits::{LIMITS, USERS};
use upstream::UPSTREAM;

/// Every setting under its heading.
pub static SECTIONS: &[Section] = &[
    Section { title: "Ports", intro: "", settings: PORTS },
    Section {
        title: "Callers",
        intro: "Callers authenticate with a key or a token. Serving needs at least one of these settings, `[[keys]]`, \
                a token issuer or a place for keys in the database. A key has at least 16 bytes; `callsign key create --print-only` makes one.",
        settings: CALLERS,
    },
    Section {
        title: "Identifiers",
        intro: "What callsign writes about a caller into a request. The valves below choose the identifiers, the \
                formats their spelling.",
        settings: IDENTIFIERS,
    },
    Section { title: "Bodies", intro: "", settings: BODIES },
    Section {
        title: "Load",
        intro: "A request beyond one of these limits is refused before anything is sent upstream: 429 `rate_limited` \
                for a caller over its share, 503 `overloaded` otherwise, both with `retry-after`. Normal load stays \
                far below.",
        settings: LOAD,
    },
    Section { title: "Shutdown and logs", intro: "", settings: PROCESS },
    Section { title: "State", intro: "", settings: STATE },
    Section { title: "Upstream", intro: "The service that requests are sent to.", settings: UPSTREAM },
    Section {
        title: "Admin port",
        intro: "See also `CALLSIGN_ADMIN_LISTEN` and `CALLSIGN_ADMIN_TOKEN`.",
        settings: ADMIN,
    },
    Section {
        title: "Ledger",
        intro: "The ledger has one row per inference request: caller, identifiers sent, cost, outcome. It stores no \
                prompt, reply or credential.",
        settings: LEDGER,
    },
    Section {
        title: "Archive",
        intro: "The archive keeps one encrypted file per request that went upstream, with the request and the \
                response, for abuse reports. It is off by default. See `docs/ARCHIVE.md`.",
        settings: ARCHIVE,
    },
    Section {
        title: "Limits",
        intro: "Usage limits for each user of a tenant, or for each key where no user is known. A limit that is not \
                set does not exist; `off` removes one that a wider level sets. The most specific level wins: \
                `[[users]]`, then `[[keys]]`, then `[[tenants]]`, then these. Counts take 1 to 10^15, amounts up to \
                1000000 US dollars. See `docs/LIMITS.md`.",
        settings: LIMITS,
    },
    Section {
        title: "Valves",
        intro: "Each valve sends one identifier of the caller; all are off by default. With all valves off callsign \
                only removes what clients say about themselves.",
        settings: VALVES,
    },
    Section {
        title: "Formats",
        intro: "How each identifier is written: literal text with `{user}`, `{session}`, `{chat}`, `{message}` or \
                `{tenant}` in it. `{sha256:16 user}` and `{hmac:32 user}` write that many hexadecimal digits of a \
                hash: 8 to 64, 64 by default. `{seal user}` writes encrypted text that `callsign whois` can decrypt. \
                Several fields, `{hmac user chat}`, are hashed together. If a field has no value, the identifier is \
                not sent.",
        settings: FORMATS,
    },
    Section {
        title: "Aliases",
        intro: "Short forms known from other documentation. An alias that contradicts the setting it stands for is an \
                error, and so are two aliases for one setting.",
        settings: ALIASES,
    },
    Section { title: "Static metadata", intro: "", settings: METADATA },
    Section { title: "Headers", intro: "", settings: HEADERS },
    Section { title: "Further body members", intro: "", settings: BODY },
    Section {
        title: "Keys in the file",
        intro: "One `[[keys]]` table per key. The file holds only the SHA-256 of a key, so reading the file gives no \
                access. `callsign key create --print-only` prints such a table.",
        settings: KEYS,
    },
    Section {
        title: "One issuer of tokens",
        intro: "An app's users can authenticate with signed tokens (JWT). For a single issuer these variables suffice.",
        settings: ISSUER,
    },
    Section {
        title: "Issuers in the file",
        intro: "One `[[issuers]]` table per token issuer. The preset fills in what is not set; `docs/identity` has a \
                page for each. Every token needs `exp`, the user claim and, where the preset's tokens carry one, \
                `iss`.",
        settings: ISSUERS,
    },
    Section {
        title: "Tenants",
        intro: "One `[[tenants]]` table per organisation; keys and issuers name the tenant of their callers. Equal \
                user ids in two tenants are two users. What a tenant does not set is inherited from the top-level \
                settings.",
        settings: TENANTS,
    },
    Section {
        title: "Users",
        intro: "One `[[users]]` table per user with limits of their own or a permanent block. `callsign block` blocks \
                a user without a change to the file.",
        settings: USERS,
    },
    Section {
        title: "Tokens of the admin port",
        intro: "One `[[admin.tokens]]` table per token, besides `CALLSIGN_ADMIN_TOKEN`, which may do everything. A reload \
                changes them at once; sessions of a removed token end.",
        settings: ADMIN_TOKENS,
    },
    Section {
        title: "Sign-in by a proxy",
        intro: "One `[[admin.issuers]]` table per issuer whose tokens a proxy in front adds to requests for the console. \
                They sign people in to the console, not to the admin API. See `docs/CONSOLE.md`.",
        settings: ADMIN_ISSUERS,
    },
    Section { title: "Alerts", intro: "What the webhook gets: `docs/OPERATIONS.md`.", settings: ALERTS },
    Section {
        title: "Presets of your own",
        intro: "`[presets.NAME]` lists the headers that carry an app's identity, for apps without a built-in preset.",
        settings: PRESETS,
    },
];

const PORTS: &[Setting] = &[
    Setting::both("CALLSIGN_LISTEN", "listen", "IP address and port of the data port, which apps connect to.")
        .default("127.0.0.1:8484"),
    Setting::both(
        "CALLSIGN_ADMIN_LISTEN",
        "admin_listen",
        "IP address and port of the admin port: health, metrics, admin API and console. `off` opens no admin port.",
    )
    .default("127.0.0.1:8485"),
    Setting::both(
        "CALLSIGN_ADMIN_TOKEN",
        "admin_token",
        "Bearer token of the admin port, at least 16 visible ASCII characters. `/healthz`, `/readyz` and `/metrics` \
         need no token; without this setting or `[[admin.tokens]]` nothing else on the admin port answers.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_TLS_CERT",
        "tls_cert",
        "PEM file with the certificate chain of the data port, its own certificate first. Without it the port speaks \
         plain HTTP.",
    )
    .example("\"/etc/callsign/tls.crt\""),
    Setting::both(
        "CALLSIGN_TLS_KEY",
        "tls_key",
        "PEM file with the private key of that certificate; set both or neither.",
    )
    .example("\"/etc/callsign/tls.key\""),
    Setting::both(
        "CALLSIGN_CORS_ORIGINS",
        "cors_origins",
        "Origins whose web pages and apps may call the data port (CORS), each as `https://chat.example` or \
         `app://obsidian.md`. They are compared byte for byte. By default none.",
    )
    .list()
    .example("[\"https://chat.example\"]"),
];

const BODIES: &[Setting] = &[
    Setting::both(
        "CALLSIGN_MAX_BODY_BYTES",
        "max_body_bytes",
        "Maximum size of a request body, 1 to 2^40. A larger one is answered with 413 `body_too_large`.",
    )
    .default("104857600")
    .unit("bytes"),
    Setting::both(
        "CALLSIGN_BUFFER_BODY_BYTES",
        "buffer_body_bytes",
        "A request body up to this size is buffered and checked whole before callsign connects to the upstream; a \
         larger one is streamed. At most 2^30, and not above `max_body_bytes`. 0 streams every body.",
    )
    .default("262144")
    .unit("bytes"),
    Setting::both(
        "CALLSIGN_BUFFER_TOTAL_BYTES",
        "buffer_total_bytes",
        "Memory for all buffered request bodies together, at most 2^30. A body that does not fit is streamed. One \
         caller gets at most half. 0 streams every body.",
    )
    .default("8388608")
    .unit("bytes"),
    Setting::both(
        "CALLSIGN_PROMPT_CACHE_KEY",
        "prompt_cache_key",
        "Treatment of a client's `prompt_cache_key`: `bind` replaces it with a hash of it and the caller, `drop` \
         removes it, `keep` leaves it unchanged.",
    )
    .default("bind"),
    Setting::both(
        "CALLSIGN_SERVER_TOOLS",
        "server_tools",
        "Treatment of requests for tools, files and containers that all users of one OpenRouter account share \
         (`openrouter:bash`, `openrouter:shell`, `openrouter:files`, tools that are not known, ids such as \
         `container_id` and `file_id`): `block` answers 403 `tool_not_allowed`, `allow` passes them on.",
    )
    .default("block"),
    Setting::toml(
        "server_tools_allowed",
        "Types of tools that pass although `server_tools` is `block`, such as `[\"openrouter:bash\"]`. Ids of stored \
         files and containers stay blocked.",
    )
    .list()
    .example("[\"openrouter:bash\"]"),
    Setting::both(
        "CALLSIGN_REDACT_ACCOUNT",
        "redact_account",
        "Blank the operator's own OpenRouter `user_id` in the upstream's error bodies.",
    )
    .default("false"),
    Setting::toml(
        "on_client_gone",
        "What happens to a request whose client leaves. `auto`: a stream is cut; an answer that is no stream is read on \
         for its generation and usage, for at most `upstream.first_byte_timeout_seconds`, so that its cost is known. \
         `cancel`: everything is cut at once.",
    )
    .default("auto"),
];

const LOAD: &[Setting] = &[
    Setting::both(
        "CALLSIGN_MAX_CONNECTIONS",
        "max_connections",
        "Maximum number of open connections to the data port. Capped at 65536 and by the open-files limit, because \
         each connection may need a second one to the upstream. By default that cap.",
    )
    .example("16384"),
    Setting::both(
        "CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS",
        "max_connections_per_address",
        "Maximum number of open connections from one IPv4 address or IPv6 /64 network. By default three quarters of \
         `max_connections`, because an app or a load balancer has one address for all its users. Raise it to \
         `max_connections` if nothing else connects. The more others hold, the fewer an address gets.",
    )
    .example("12288"),
    Setting::both(
        "CALLSIGN_MAX_IN_FLIGHT",
        "max_in_flight",
        "Maximum number of requests whose response has not ended, of all callers together, 1 to 1000000. The \
         open-files limit caps it.",
    )
    .default("4096"),
    Setting::both(
        "CALLSIGN_MAX_IN_FLIGHT_PER_CALLER",
        "max_in_flight_per_caller",
        "Maximum number of such requests of one caller: a user of a tenant, or a key where no user is known. By \
         default an eighth of `max_in_flight` for a user, at least 64, and three quarters for a key, which may serve \
         many users. The more others hold, the fewer a caller gets.",
    )
    .example("512"),
];

const PROCESS: &[Setting] = &[
    Setting::both(
        "CALLSIGN_DRAIN_SECONDS",
        "drain_seconds",
        "Time that running responses get after SIGTERM, 0 to 86400. A second signal ends the process at once.",
    )
    .default("25")
    .unit("seconds"),
    Setting::both(
        "CALLSIGN_DRAIN_DELAY_SECONDS",
        "drain_delay_seconds",
        "Time after SIGTERM during which new connections are still accepted while `/readyz` answers 503. Part of \
         `drain_seconds`, so at most that.",
    )
    .default("0")
    .unit("seconds"),
    Setting::both(
        "CALLSIGN_LOG",
        "log",
        "Log filter in the syntax of `tracing`: a level, or levels by module, as `info` or `warn,callsign=debug`. \
         Messages of other crates below `info` are dropped.",
    )
    .default("info"),
    Setting::both(
        "CALLSIGN_LOG_FORMAT",
        "log_format",
        "Format of log lines: `text`, or `json` with one object per line.",
    )
    .default("text"),
    Setting::variable("CALLSIGN_CONFIG", "Path of the TOML file. The command-line option `--config` overrides it."),
];

const STATE: &[Setting] = &[Setting::both(
    "CALLSIGN_DATA_DIR",
    "data_dir",
    "Directory for the SQLite ledger, counters and blocks, used by one callsign only and created if missing. By \
     default none, except `/data` in the container image. If a directory that you set is unusable, callsign does not \
     start; if the image's default is, callsign starts without.",
)
.example("\"/var/lib/callsign\"")];

const LEDGER: &[Setting] = &[
    Setting::both(
        "CALLSIGN_LEDGER",
        "ledger.store",
        "Database of the ledger: `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE` (a database that only \
         callsigns use, any number of them), or `off`. By default `ledger.db` in the data directory, and `off` without \
         one.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_LEDGER_MODE",
        "ledger.mode",
        "`fast`: a crash may lose the requests that ended in the last 50 ms. `strict`: a response ends only when its \
         row is on disk, after two seconds at most; while rows cannot be written, new requests get 503 \
         `ledger_unavailable`.",
    )
    .default("fast"),
    Setting::both(
        "CALLSIGN_LEDGER_RETENTION_DAYS",
        "ledger.retention_days",
        "Age at which rows, their sums, and identifiers not seen since are deleted, 1 to 36500. Checked at start and \
         every hour.",
    )
    .default("400")
    .unit("days"),
    Setting::both(
        "CALLSIGN_RECONCILE",
        "ledger.reconcile",
        "Whether `serve` looks up costs that did not arrive, for example of cancelled streams, in OpenRouter's \
         generation records. `callsign reconcile` does it on request. Without a ledger it has no effect.",
    )
    .default("true"),
];

const ARCHIVE: &[Setting] = &[
    Setting::both(
        "CALLSIGN_ARCHIVE_DIR",
        "archive.dir",
        "Directory of the archive, created if missing. Setting it turns the archive on.",
    )
    .example("\"/var/lib/callsign/archive\""),
    Setting::both(
        "CALLSIGN_ARCHIVE_PASSWORD",
        "archive.password",
        "Password that encrypts the archive, 16 to 99 visible ASCII characters; required with the directory. Make it \
         long and random (`openssl rand -base64 33`): it is the only protection, and without it the archive cannot be \
         read.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_ARCHIVE_RETENTION_DAYS",
        "archive.retention_days",
        "Age at which archived requests are deleted, 1 to 36500. Checked at start and every hour.",
    )
    .default("90")
    .unit("days"),
    Setting::both(
        "CALLSIGN_ARCHIVE_REQUIRED",
        "archive.required",
        "Answer 503 `archive_unavailable` to a request that cannot be archived. If `false`, the request proceeds and a \
         metric counts it.",
    )
    .default("false"),
    Setting::toml("archive.by_default", "Archive the callers whose key and tenant do not set `archive`.")
        .default("true"),
    Setting::toml(
        "archive.sample_percent",
        "Share of conversations that is archived, 1 to 100. All requests of a chat are archived, or none; a request \
         without a chat id is sampled alone.",
    )
    .default("100")
    .unit("percent"),
    Setting::toml(
        "archive.max_body_bytes",
        "Maximum number of bytes kept of one body, 1 to 2^40. The rest is omitted and `meta.json` says so.",
    )
    .default("33554432")
    .unit("bytes"),
    Setting::toml(
        "archive.max_memory_bytes",
        "Memory for all records that are not written yet, 1 to 2^40. A request that does not fit is not archived. \
         One caller gets at most half.",
    )
    .default("268435456")
    .unit("bytes"),
];

const ADMIN: &[Setting] = &[Setting::both(
    "CALLSIGN_ADMIN_HOSTS",
    "admin.hosts",
    "Host names of the admin port besides `localhost` and IP addresses. Requests with another `Host` header are \
     refused, except `/healthz`, `/readyz` and `/metrics`, because a web page can resolve its own name to your network \
     (DNS rebinding).",
)
.list()
.example("[\"callsign.acme.example\"]")];

const HEADERS: &[Setting] = &[
    Setting::toml(
        "headers.forward",
        "Request headers to pass on besides the built-in list. Headers about framing, connections, credentials, \
         identity, sessions or the client's address are refused.",
    )
    .list()
    .example("[\"x-my-header\"]"),
    Setting::toml(
        "headers.http_referer",
        "Your app's URL in OpenRouter's rankings, sent as `HTTP-Referer`. It replaces the client's.",
    )
    .example("\"https://acme.example\""),
    Setting::toml(
        "headers.x_openrouter_title",
        "Your app's name in OpenRouter's rankings, sent as `X-OpenRouter-Title`. It replaces the client's.",
    )
    .example("\"Acme Chat\""),
];

const BODY: &[Setting] = &[Setting::toml(
    "body.remove",
    "Names of further top-level members to remove from request bodies, for a new identifier field that this release \
     does not know.",
)
.list()
.example("[\"some_new_id_field\"]")];
