//! Finds the name that somebody meant.

use strsim::damerau_levenshtein;

use crate::config::settings;

/// The valid `CALLSIGN_*` name nearest to `name`.
pub(super) fn variable(name: &str) -> &'static str {
    let meant = name.strip_prefix("CALLSIGN_").unwrap_or(name);
    let distance = |candidate: &str| {
        let candidate = candidate.strip_prefix("CALLSIGN_").unwrap_or(candidate);
        // Half a name is nearer than any other whole one: CALLSIGN_UPSTREAM means CALLSIGN_UPSTREAM_URL.
        let part = !meant.is_empty() && (candidate.starts_with(meant) || meant.starts_with(candidate));
        (!part, damerau_levenshtein(meant, candidate))
    };
    settings::all()
        .filter_map(|setting| setting.variable)
        .min_by_key(|candidate| distance(candidate))
        .unwrap_or_default()
}

/// The valid TOML path nearest to this one; list entries stand as `[]` in both.
pub(super) fn path(path: &[&str]) -> &'static str {
    let whole = path.join(".").replace(".[]", "[]");
    let (section, last) = whole.rsplit_once('.').unwrap_or(("", &whole));
    let distance = |candidate: &str| {
        let (home, name) = candidate.rsplit_once('.').unwrap_or(("", candidate));
        // The right name in the wrong table is the likeliest slip, half a name the next.
        let slip = match damerau_levenshtein(last, name) {
            0 => 0,
            _ if name.starts_with(last) => 1,
            letters => letters,
        };
        let elsewhere = slip > 0 && home != section;
        (slip + usize::from(elsewhere), damerau_levenshtein(&whole, candidate))
    };
    settings::all().filter_map(|setting| setting.path).min_by_key(|candidate| distance(candidate)).unwrap_or_default()
}

/// The `SEND_*` or `*_ID_FORMAT` variable that `name` misses by one or two letters.
pub(super) fn near_miss(name: &str) -> Option<&'static str> {
    settings::all()
        .filter_map(|setting| setting.variable)
        .filter(|candidate| candidate.starts_with("SEND_") || candidate.ends_with("_ID_FORMAT"))
        .filter(|candidate| (1..=2).contains(&damerau_levenshtein(name, candidate)))
        .min_by_key(|candidate| damerau_levenshtein(name, candidate))
}
