//! The settings of the connections to OpenRouter.

use crate::config::settings::setting::Setting;

pub(super) const UPSTREAM: &[Setting] = &[
    Setting::both(
        "OPENROUTER_API_KEY",
        "upstream.api_key",
        "The operator's OpenRouter key, which pays for requests. Required to serve, unless pass-through is the only \
         way in or every caller's tenant has a key.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_UPSTREAM_URL",
        "upstream.url",
        "Base URL of the upstream: http or https, without credentials, query or fragment.",
    )
    .default("https://openrouter.ai/api/v1"),
    Setting::toml(
        "upstream.allow_plain_http",
        "Permit an `http` URL with a public host. The OpenRouter key and all content then travel unencrypted. Private \
         addresses, single labels, and names under `.local`, `.localhost`, `.internal`, `.svc` and `.lan` need no \
         permission.",
    )
    .default("false"),
    Setting::both(
        "OPENROUTER_ORG_ID",
        "upstream.org_id",
        "Your organisation's id at OpenRouter. With it `callsign whois` resolves `sha256(ORG_ID-user)`, the form that \
         a provider may report. Without it callsign asks OpenRouter for the ids of the accounts that pay.",
    )
    .example("\"org_2a4bC6\""),
    Setting::both(
        "OPENROUTER_MANAGEMENT_KEY",
        "upstream.management_key",
        "Your OpenRouter management key, which compares the ledger with OpenRouter's analytics. It is not sent with \
         callers' requests.",
    )
    .secret(),
    Setting::toml(
        "upstream.connect_timeout_seconds",
        "Maximum time to connect to the upstream, TLS handshake included, 1 to 86400.",
    )
    .default("10")
    .unit("seconds"),
    Setting::toml(
        "upstream.first_byte_timeout_seconds",
        "Maximum time from the sent request to the response head, 1 to 86400. A model may think for minutes.",
    )
    .default("600")
    .unit("seconds"),
    Setting::toml(
        "upstream.idle_timeout_seconds",
        "Maximum silence of the upstream within a response that the client is reading, 1 to 86400. Keep-alive comments \
         end a silence.",
    )
    .default("300")
    .unit("seconds"),
    Setting::toml(
        "upstream.http2",
        "Offer HTTP/2 to the upstream. One connection then carries up to 64 requests, and further requests use another \
         connection.",
    )
    .default("false"),
    Setting::both(
        "CALLSIGN_UPSTREAM_POOL",
        "upstream.pool",
        "The pool of HTTP/1.1 connections. `inline`: callsign's own, with a pool for each account that pays and strict \
         rules of reuse. `hyper`: the HTTP library's, with one pool for all and the library's rules. Without effect with \
         `upstream.http2`.",
    )
    .default("inline"),
];
