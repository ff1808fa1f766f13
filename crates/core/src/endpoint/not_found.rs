//! The message of a 404: what is wrong with the path, without text of the client (`docs/SPEC.md#error-messages`).

use std::borrow::Cow;

use super::INFERENCE;
use super::path::{PLAIN_READS, normalised};
use super::video::VideoPath;

/// Maximum length of the shown path in bytes.
const SHOWN: usize = 100;

/// Words of OpenRouter's and callsign's paths that are not in the table of endpoints.
const WORDS: [&str; 21] = [
    "api",
    "v1",
    "callsign",
    "me",
    "generation",
    "model",
    "endpoints",
    "user",
    "key",
    "keys",
    "auth",
    "credits",
    "activity",
    "files",
    "presets",
    "content",
    "edits",
    "compact",
    "organization",
    "admin",
    "openai",
];

/// Paths of the caller's own data.
const OWN: [&str; 4] = ["generation", "key", "auth/key", "credits"];

/// The mistake that a path shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    DoubleSlash,
    TrailingSlash,
    VersionTwice,
    NoVersion,
    EndpointTwice,
    NeedsLedger,
    Other,
}

/// Returns the message for a path that is not exposed.
pub fn message(raw_path: &str) -> String {
    let advice = match mistake(raw_path) {
        Mistake::DoubleSlash => {
            "it has `//`: write the base URL without a slash at its end, for example https://HOST/v1"
        }
        Mistake::TrailingSlash => "it ends in `/`: remove that slash",
        Mistake::VersionTwice => "it has `/v1` twice: set the base URL to https://HOST, because this client adds `/v1`",
        Mistake::NoVersion => "it has no `/v1`: the base URL must end in it, for example https://HOST/v1",
        Mistake::EndpointTwice => {
            "it has an endpoint twice: the base URL must end in `/v1` and not in an endpoint, for example https://HOST/v1"
        }
        Mistake::NeedsLedger => {
            "it needs the ledger, which is off; the operator turns it on with CALLSIGN_DATA_DIR or CALLSIGN_LEDGER"
        }
        Mistake::Other => {
            "callsign serves the inference endpoints and the model catalogue only; check the path, and the base URL, \
             which ends in `/v1`"
        }
    };
    format!("the path {} is not exposed; {advice}", shown(raw_path))
}

/// Returns the known words of the path, and `…` for every other segment.
fn shown(raw_path: &str) -> String {
    let mut out = String::from("`");
    for segment in raw_path.split('/').skip(1) {
        let known = segment.is_empty() || is_word(segment);
        out.push('/');
        out.push_str(if known { segment } else { "…" });
        if out.len() > SHOWN - "…/`".len() {
            out.truncate(out.floor_char_boundary(SHOWN - "/…`".len()));
            out.push('…');
            break;
        }
    }
    out.push('`');
    out
}

fn is_word(segment: &str) -> bool {
    let tables = INFERENCE.iter().map(|endpoint| endpoint.path).chain(PLAIN_READS);
    WORDS.contains(&segment) || tables.flat_map(|path| path.split('/')).any(|word| word == segment)
}

/// Returns the likely mistake: the path would be right if it were made.
fn mistake(raw_path: &str) -> Mistake {
    let (versions, rest) = normalised(raw_path);
    let is_known = |path: &str| {
        PLAIN_READS.contains(&path)
            || OWN.contains(&path)
            || INFERENCE.iter().any(|endpoint| endpoint.path == path)
            || (path.starts_with("models/") && path.split('/').count() <= 4)
            || VideoPath::find(&path.split('/').map(Cow::Borrowed).collect::<Vec<_>>()).is_some()
    };
    let is_repeated = || {
        let base = INFERENCE
            .iter()
            .find(|endpoint| rest.strip_prefix(endpoint.path).is_some_and(|rest| rest.starts_with('/')));
        base.is_some_and(|base| rest.get(base.path.len() + 1..).is_some_and(is_known))
    };
    if ["/v1/generation", "/api/v1/generation"].contains(&raw_path) {
        return Mistake::NeedsLedger;
    }
    if is_repeated() {
        return Mistake::EndpointTwice;
    }
    if !is_known(&rest) {
        return Mistake::Other;
    }
    match versions {
        0 => Mistake::NoVersion,
        1 if raw_path.ends_with('/') && !raw_path.trim_end_matches('/').contains("//") => Mistake::TrailingSlash,
        1 if raw_path.contains("//") => Mistake::DoubleSlash,
        1 => Mistake::Other,
        _ => Mistake::VersionTwice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mistake::{DoubleSlash, EndpointTwice, NeedsLedger, NoVersion, Other, TrailingSlash, VersionTwice};

    #[test]
    fn likely_mistakes_are_recognised() {
        for (path, expected) in [
            ("//v1/chat/completions", DoubleSlash),
            ("/v1//chat/completions", DoubleSlash),
            ("/v1/chat//completions", DoubleSlash),
            ("//v1/messages", DoubleSlash),
            ("/v1/chat/completions/", TrailingSlash),
            ("/api/v1/models/", TrailingSlash),
            ("/chat/completions", NoVersion),
            ("/api/chat/completions", NoVersion),
            ("//messages", NoVersion),
            ("/models", NoVersion),
            ("/v1/v1/chat/completions", VersionTwice),
            ("/v1/api/v1/messages", VersionTwice),
            ("/api/v1/v1/models", VersionTwice),
            ("/v1/chat/completions/chat/completions", EndpointTwice),
            ("/v1/responses/models", EndpointTwice),
            ("/v1/generation", NeedsLedger),
            ("/api/v1/generation", NeedsLedger),
            ("/generation", NoVersion),
            ("/v1/generation/", TrailingSlash),
            ("/v1/v1/key", VersionTwice),
            ("/videos/gen-vid-1/content", NoVersion),
            ("//v1/credits", DoubleSlash),
            ("/v1/keys", Other),
            ("/", Other),
            ("/v1", Other),
            ("", Other),
            ("/v1/chat/completionsx", Other),
            ("/v1/files/../chat/completions", Other),
        ] {
            assert_eq!(mistake(path), expected, "{path}");
        }
    }

    #[test]
    fn foreign_words_are_not_shown() {
        for (path, expected) in [
            ("/v1/keys", "`/v1/keys`"),
            ("/v1/threads/secret-of-alice/runs", "`/v1/…/…/…`"),
            ("/%2e%2e/v1/models", "`/…/v1/models`"),
            ("//v1/chat/completions/", "`//v1/chat/completions/`"),
            ("/CHAT", "`/…`"),
            ("", "``"),
        ] {
            assert_eq!(shown(path), expected);
            assert!(message(path).starts_with(&format!("the path {expected} is not exposed; ")), "{path}");
        }
        for path in ["/x".repeat(500), "/v1".repeat(500), "/".repeat(500), "/v1/models/".to_owned() + &"a".repeat(9000)]
        {
            assert!(shown(&path).len() <= SHOWN, "{}", shown(&path));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_message_is_bounded_and_made_of_known_words(path in "(/[a-z0-9%.\u{e4}]{0,12}){0,30}") {
            let shown = shown(&path);
            proptest::prop_assert!(shown.len() <= SHOWN);
            let inner = shown.trim_matches('`');
            let whole = inner.ends_with('…');
            for word in inner.split('/') {
                let cut = whole && inner.ends_with(word);
                proptest::prop_assert!(word.is_empty() || word == "…" || is_word(word) || cut, "{shown}");
            }
        }
    }
}
