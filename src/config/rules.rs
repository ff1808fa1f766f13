//! Rules between concerns: values that are valid alone and refused together.

use std::net::IpAddr;

use super::ports::{AdminPort, DataPort};
use super::problem::Problems;
use super::reader::Reader;
use super::scope::Scope;
use super::tenants::Entry;
use callsign_core::auth::settings::Callers;
use callsign_core::identity::Policy;
use callsign_gateway::proxy::settings::{Bodies, PromptCacheKey, ServerTools};
use callsign_gateway::upstream::settings::Settings as Upstream;

/// Refuses an admin port that is also the data port.
pub(super) fn ports(data: &DataPort, admin: &AdminPort, reader: &mut Reader<'_>) {
    let same = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified() || b.is_unspecified();
    if let Some(listen) = admin.listen
        && listen.port() != 0
        && listen.port() == data.listen.port()
        && same(listen.ip(), data.listen.ip())
    {
        let place = reader.place("admin_listen");
        reader.problems.push(place, "is the address of the data port (CALLSIGN_LISTEN); choose another port");
    }
}

/// Refuses an upstream that is one of callsign's own ports: each request would call callsign again without end.
pub(super) fn no_loop(data: &DataPort, admin: &AdminPort, upstream: &Upstream, reader: &mut Reader<'_>) {
    let host = upstream.url.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let address = address.map(|ip| ip.to_canonical());
    let here = host == "localhost"
        || host.ends_with(".localhost")
        || address.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
    for (listen, name) in [(Some(data.listen), "CALLSIGN_LISTEN"), (admin.listen, "CALLSIGN_ADMIN_LISTEN")] {
        let Some(listen) = listen.filter(|listen| listen.port() == upstream.port()) else { continue };
        if here || address == Some(listen.ip().to_canonical()) {
            let place = reader.place("upstream.url");
            reader.problems.push(place, format!("is callsign itself ({name}); set OpenRouter's URL or remove it"));
        }
    }
}

/// Refuses settings under which users could share the containers of server tools (docs/SPEC.md#container-keys).
pub(super) fn containers(bodies: &Bodies, operator: &Policy, tenants: &[Entry], reader: &mut Reader<'_>) {
    if bodies.server_tools == ServerTools::Block {
        return;
    }
    if bodies.prompt_cache_key == PromptCacheKey::Keep {
        let place = reader.place("prompt_cache_key");
        let message =
            "is keep, so clients choose the containers of server tools (CALLSIGN_SERVER_TOOLS=allow); use bind";
        reader.problems.push(place, message);
    }
    let tenants = tenants.iter().map(|entry| (entry.scope(), entry.tenant(operator).policy));
    for (scope, policy) in std::iter::once((Scope::Operator, operator.clone())).chain(tenants) {
        let Some(row) = policy.shares_containers() else { continue };
        let is_own = scope.is_set(row.format.path, reader) || scope.is_set(row.valve.path, reader);
        if matches!(scope, Scope::Operator) || is_own {
            let place = scope.place(row.format.path, reader);
            reader.problems.push(
                place,
                "has no hash or seal of the user within its last 20 characters, so users could share the containers of \
                 server tools (CALLSIGN_SERVER_TOOLS=allow); end it with {hmac user session}, for example",
            );
        }
    }
}

/// Checks what serving needs: a caller and the operator's OpenRouter key. `callers` and `upstream` are `None` if their
/// problems are already reported. `has_stored_keys` is true if keys can be in the database. `needs_key` is true if some caller has no OpenRouter key of its own or its tenant's.
pub(super) fn serving(
    callers: Option<&Callers>,
    has_stored_keys: bool,
    needs_key: bool,
    upstream: Option<&Upstream>,
    problems: &mut Problems,
) {
    if !has_stored_keys && callers.is_some_and(|callers| !callers.any()) {
        problems.push(
            "CALLSIGN_APP_KEY",
            "is not set, so no request would be accepted; set it to a key that your app will send (make one: callsign key \
             create --print-only --app chat). Other callers: docs/identity/README.md",
        );
    }
    if upstream.is_some_and(|upstream| upstream.api_key.is_none()) && needs_key {
        problems.push(
            "OPENROUTER_API_KEY",
            "is not set; set it to a key from https://openrouter.ai/settings/keys, which pays for the requests",
        );
    }
}
