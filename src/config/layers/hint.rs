//! Finds the setting closest to a misspelt name.

use strsim::damerau_levenshtein;

use crate::config::settings;

/// Returns the variable closest to `name`.
pub(super) fn variable(name: &str) -> &'static str {
    let meant = name.strip_prefix("CALLSIGN_").unwrap_or(name);
    let distance = |candidate: &str| {
        let candidate = candidate.strip_prefix("CALLSIGN_").unwrap_or(candidate);
        // A prefix is closer than any other name: CALLSIGN_UPSTREAM means CALLSIGN_UPSTREAM_URL.
        let part = !meant.is_empty() && (candidate.starts_with(meant) || meant.starts_with(candidate));
        (!part, damerau_levenshtein(meant, candidate))
    };
    settings::all()
        .filter_map(|setting| setting.variable)
        .min_by_key(|candidate| distance(candidate))
        .unwrap_or_default()
}

/// Returns the TOML path closest to this one. List entries are `[]` in both.
pub(super) fn path(path: &[&str]) -> &'static str {
    let whole = path.join(".").replace(".[]", "[]");
    let (section, last) = whole.rsplit_once('.').unwrap_or(("", &whole));
    let distance = |candidate: &str| {
        let (home, name) = candidate.rsplit_once('.').unwrap_or(("", candidate));
        // The right name in the wrong table is the most likely mistake, an abbreviated name the next.
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

/// Returns the `SEND_*` or `*_ID_FORMAT` variable that differs from `name` by one or two letters.
pub(super) fn near_miss(name: &str) -> Option<&'static str> {
    settings::all()
        .filter_map(|setting| setting.variable)
        .filter(|candidate| candidate.starts_with("SEND_") || candidate.ends_with("_ID_FORMAT"))
        .filter(|candidate| (1..=2).contains(&damerau_levenshtein(name, candidate)))
        .min_by_key(|candidate| damerau_levenshtein(name, candidate))
}
