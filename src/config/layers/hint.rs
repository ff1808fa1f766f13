//! Finds the setting closest to a misspelt name.

use std::cmp::Reverse;
use std::collections::HashSet;

use strsim::damerau_levenshtein;

use crate::config::settings;

/// Most letters by which a name differs from the one that was meant.
const MISSPELT: usize = 2;
/// Number of letters from which on shared words tell more than letters do.
const FAR: usize = 4;
/// Number of words that a name shares with the setting that it resembles.
const WORDS: usize = 2;

/// Returns the variable closest to `name`, by words and by letters.
pub(super) fn variable(name: &str) -> &'static str {
    let meant = bare(name);
    let distance = |candidate: &str| {
        // A prefix is closer than any other name: CALLSIGN_UPSTREAM means CALLSIGN_UPSTREAM_URL.
        let own = bare(candidate);
        let part = !meant.is_empty() && (own.starts_with(meant) || meant.starts_with(own));
        let letters = damerau_levenshtein(meant, own);
        let same = has_same_words(name, candidate);
        (!part && !same, !same, letters.min(FAR), Reverse(shared_words(name, candidate)), letters)
    };
    variables().min_by_key(|candidate| distance(candidate)).unwrap_or_default()
}

/// Returns the variable that `name` surely means: it differs by one or two letters, or only in the words `ID` and `END`,
/// underscores, or upper and lower case.
pub(super) fn misspelt(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    let letters = |candidate: &str| damerau_levenshtein(&upper, candidate);
    variables()
        .filter(|candidate| letters(candidate) <= MISSPELT || has_same_words(&upper, candidate))
        .min_by_key(|candidate| letters(candidate))
}

/// Returns the variable that shares at least two words with `name`.
pub(super) fn by_words(name: &str) -> Option<&'static str> {
    let rank = |candidate: &&str| (Reverse(shared_words(name, candidate)), damerau_levenshtein(name, candidate));
    variables().min_by_key(rank).filter(|candidate| shared_words(name, candidate) >= WORDS)
}

fn variables() -> impl Iterator<Item = &'static str> {
    settings::all().filter_map(|setting| setting.variable)
}

fn bare(name: &str) -> &str {
    name.strip_prefix("CALLSIGN_").unwrap_or(name)
}

/// Returns true if two names are equal without `ID`, `END` and underscores, as `SEND_USER_ID` and `SEND_END_USER_ID`.
fn has_same_words(name: &str, candidate: &str) -> bool {
    let words = |name| bare(name).split('_').filter(|word| !["ID", "END"].contains(word)).collect::<String>();
    let letters = |name| bare(name).replace('_', "");
    words(name) == words(candidate) || letters(name) == letters(candidate)
}

/// Returns the number of words of `name` that `candidate` has too. OpenRouter, a base and a host are the upstream; an
/// address and a port are what callsign listens on.
fn shared_words(name: &str, candidate: &str) -> usize {
    let words = |name| -> HashSet<&str> {
        let ours = |word| match word {
            "OPENROUTER" | "BASE" | "HOST" => "UPSTREAM",
            "BIND" | "ADDR" | "ADDRESS" | "PORT" => "LISTEN",
            word => word,
        };
        bare(name).split('_').filter(|word| !word.is_empty()).map(ours).collect()
    };
    words(name).intersection(&words(candidate)).count()
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
        // A misspelt table means the first setting of the right one: `[valve]` means `[valves]`.
        let is_table = section.is_empty() && !home.is_empty() && damerau_levenshtein(&whole, home) <= MISSPELT;
        let slip = if is_table { 0 } else { slip };
        let elsewhere = slip > 0 && home != section;
        (slip + usize::from(elsewhere), if is_table { 0 } else { damerau_levenshtein(&whole, candidate) })
    };
    settings::all().filter_map(|setting| setting.path).min_by_key(|candidate| distance(candidate)).unwrap_or_default()
}
