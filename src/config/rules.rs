//! Rules across concerns: what each setting may be alone, and not together with another.

use std::net::IpAddr;

use super::callers::Callers;
use super::ports::{AdminPort, DataPort};
use super::problem::Problems;
use super::reader::Reader;
use super::upstream::Upstream;

/// The two ports differ, and the upstream is neither of them: callsign would call itself until memory ends.
pub(super) fn ports(data: &DataPort, admin: &AdminPort, reader: &mut Reader<'_>) {
    let same = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified() || b.is_unspecified();
    if let Some(listen) = admin.listen
        && listen.port() != 0
        && listen.port() == data.listen.port()
        && same(listen.ip(), data.listen.ip())
    {
        let place = reader.place("admin_listen");
        reader.problems.push(place, "is the address of the data port (CALLSIGN_LISTEN); give it another port");
    }
}

/// See [`ports`].
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
            reader.problems.push(place, format!("is callsign itself ({name}); set it to OpenRouter's or leave it out"));
        }
    }
}

/// What a configuration needs before anybody can be served. `callers` are `None` when they did not parse, which is known
/// already; `needs_key` says that somebody comes in who brings no OpenRouter key, nor has a tenant that does.
pub(super) fn serving(
    callers: Option<&Callers>,
    needs_key: bool,
    upstream: Option<&Upstream>,
    problems: &mut Problems,
) {
    if callers.is_some_and(|callers| !callers.any()) {
        problems.push(
            "CALLSIGN_APP_KEY",
            "is not set and nobody else could be let in either; set it (one app), CALLSIGN_USER_KEYS (people), [[keys]] \
             or [[issuers]] in the TOML file, or CALLSIGN_PASSTHROUGH=true",
        );
    }
    if upstream.is_some_and(|upstream| upstream.api_key.is_none()) && needs_key {
        problems.push(
            "OPENROUTER_API_KEY",
            "is not set; requests need it upstream (https://openrouter.ai/settings/keys), unless \
             CALLSIGN_PASSTHROUGH is the only way in or every caller's tenant has a key",
        );
    }
}
