//! Thousands of spellings of paths: every path that arrives upstream is an exposed one, even as the most lenient server
//! would read it.

use std::collections::BTreeSet;

use callsign_core::endpoint::INFERENCE;
use tokio::task::JoinSet;

use crate::support::peer::raw;
use crate::support::proxy::{APP_KEY, callsign};

/// Paths of OpenRouter that must not be reached.
const HIDDEN: [&str; 12] = [
    "keys",
    "credits",
    "key",
    "activity",
    "files",
    "presets",
    "videos",
    "generation",
    "models/user",
    "auth/keys",
    "guardrails",
    "organization/members",
];

/// Beginnings of spellings.
const BEGINNINGS: [&str; 9] = [
    "",
    "/v1",
    "/api/v1",
    "/v1/models",
    "/v1/models/openai",
    "/v1/chat",
    "/v1/chat/completions",
    "/api/v1/model/a/b",
    "/v1/images/models/a/b",
];

/// Strings between the beginning and the hidden path.
const JOINTS: [&str; 40] = [
    "/",
    "//",
    "/./",
    "/../",
    "/../../",
    "/../v1/",
    "/%2e/",
    "/%2e%2e/",
    "/%2E%2E/",
    "/.%2e/",
    "/%2e./",
    "/..;/",
    "/..;x=y/",
    "/;/",
    ";/",
    ";x/",
    "%2f",
    "%2F",
    "%2f..%2f",
    "/..%2f",
    "/%2e%2e%2f",
    "\\",
    "/..\\",
    "/\\..\\",
    "%5c",
    "/..%5c",
    "%255c",
    "%252f",
    "/%252e%252e/",
    "/%252e%252e%252f",
    "/%c0%ae%c0%ae/",
    "%c0%af",
    "/%ef%bc%8e%ef%bc%8e/",
    "%ef%bc%8f",
    "%e2%88%95",
    "/%00/",
    "/%20/",
    "/%09/",
    "?/../",
    "#/../",
];

/// Strings after the hidden path.
const ENDS: [&str; 18] = [
    "",
    "/",
    "//",
    "/.",
    "/..",
    ";",
    ";x",
    "?",
    "?x=/../keys",
    "#",
    "%20",
    "%00",
    "%09",
    "%0d%0a",
    "%23",
    "%3f",
    "%3b",
    "%25",
];

/// Returns spellings of a word that some reader may take for the word.
fn disguises(word: &str) -> BTreeSet<String> {
    let encoded = |text: &str, times: usize| {
        let percent = "%".to_owned() + &"25".repeat(times - 1);
        text.bytes()
            .map(|byte| if byte == b'/' { "/".to_owned() } else { format!("{percent}{byte:02x}") })
            .collect::<String>()
    };
    let (first, rest) = word.split_at(1);
    let wide: String = word
        .chars()
        .map(|c| if c == '/' { c } else { char::from_u32(c as u32 + 0xfee0).unwrap() })
        .flat_map(|c| c.to_string().into_bytes())
        .map(|byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02X}") })
        .collect();
    BTreeSet::from([
        word.to_owned(),
        word.to_ascii_uppercase(),
        first.to_ascii_uppercase() + rest,
        encoded(word, 1),
        encoded(word, 1).to_ascii_uppercase(),
        encoded(word, 2),
        encoded(first, 1) + rest,
        encoded(first, 2) + rest,
        encoded(first, 3) + rest,
        wide,
        word.replace('s', "%C5%BF"),
        word.replace('k', "%E2%84%AA"),
        word.replace('i', "%C4%B1"),
        word.replace('/', "%2F"),
        word.replace('/', "%5C"),
        word.replace('/', "%252F"),
        word.replace('e', "e%CC%80"),
        format!("{first}%00{rest}"),
        format!("{first}%E2%80%8B{rest}"),
        format!("{first}%C2%AD{rest}"),
    ])
}

fn spellings() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for hidden in HIDDEN {
        for disguise in disguises(hidden) {
            for beginning in BEGINNINGS {
                all.insert(format!("{beginning}/{disguise}"));
            }
            for end in ENDS {
                all.insert(format!("/v1/{disguise}{end}"));
                all.insert(format!("/v1/models/{disguise}{end}"));
            }
        }
        for joint in JOINTS {
            for beginning in BEGINNINGS {
                all.insert(format!("{beginning}{joint}{hidden}"));
            }
            all.insert(format!("/v1/models/a{joint}..{joint}..{joint}{hidden}"));
            all.insert(format!("/v1/models{joint}user"));
            all.insert(format!("/v1{joint}models{joint}{hidden}"));
        }
    }
    all.retain(|target| target.starts_with('/'));
    all
}

/// Reads a path as the most lenient server might: decodes it repeatedly, folds look-alikes, drops invisible characters,
/// parameters and blanks, turns backslashes into slashes, and resolves dots and double slashes.
fn laxest(path: &str) -> String {
    let mut text = path.to_owned();
    for _ in 0..6 {
        text = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    let folded = text.chars().filter_map(|c| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
        '\\' | '\u{2215}' | '\u{2044}' => Some('/'),
        'ſ' => Some('s'),
        '\u{212a}' => Some('k'),
        'ı' => Some('i'),
        '\u{200b}' | '\u{ad}' | '\u{300}' | '\u{fffd}' => None,
        c if c.is_control() || c.is_whitespace() => None,
        c => Some(c.to_ascii_lowercase()),
    });
    let folded: String = folded.collect();
    let mut resolved: Vec<&str> = Vec::new();
    for segment in folded.split('/') {
        match segment.split([';', '?', '#']).next().unwrap() {
            "" | "." => {}
            ".." => drop(resolved.pop()),
            segment => resolved.push(segment),
        }
    }
    resolved.join("/")
}

/// Returns true for the endpoints of docs/SPEC.md#endpoints, written independently of `callsign_core::endpoint`.
fn is_exposed(method: &http::Method, path: &str) -> bool {
    let Some(path) = path.strip_prefix("api/v1/") else { return false };
    if method == http::Method::POST {
        return INFERENCE.iter().any(|endpoint| endpoint.path == path);
    }
    match path.split('/').collect::<Vec<_>>()[..] {
        ["models", first, ..] => first != "user",
        ["models" | "providers"]
        | ["embeddings" | "images" | "videos", "models"]
        | ["model", _, _]
        | ["images", "models", _, _, "endpoints"] => true,
        _ => false,
    }
}

#[test]
fn the_laxest_reader_is_lax() {
    for path in [
        "/api/v1/models/x%252F..%252F..%252Fkeys",
        "/api/v1/%EF%BD%8Bey%C5%BF",
        "/api/v1/models/..;x/keys/%2e",
        "\\api\\v1\\KEYS%20",
    ] {
        assert_eq!(laxest(path), "api/v1/keys", "{path}");
        assert!(!is_exposed(&http::Method::GET, &laxest(path)));
    }
    assert!(is_exposed(&http::Method::GET, &laxest("/api/v1/models/openai%2Fgpt-4o")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_exposed_path_is_spelled_into_one_that_is_not() {
    let (mock, callsign) = callsign(&[]).await;
    let mut all: Vec<(&str, String)> = Vec::new();
    for target in spellings() {
        all.push(("GET", target.clone()));
        if all.len().is_multiple_of(5) {
            all.push(("POST", target));
        }
    }
    let plain = ["/v1/models", "/api/v1/models/openai%2Fgpt-4o", "/v1/%6dodels", "/v1/models/User-guide"];
    all.extend(plain.map(|target| ("GET", target.to_owned())));
    let (count, address) = (all.len(), callsign.address());
    assert!(count > 5_000, "{count}");
    let mut asking = JoinSet::new();
    for share in all.chunks(count.div_ceil(8)).map(<[_]>::to_vec) {
        asking.spawn(async move {
            let (mut refused, mut passed) = (0, 0);
            for (method, target) in share {
                let framing = if method == "POST" { "content-length: 2\r\n\r\n{}" } else { "\r\n" };
                let request = format!(
                    "{method} {target} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\nconnection: close\r\n{framing}"
                );
                let answer = raw(address, request.as_bytes()).await;
                let answer = String::from_utf8_lossy(&answer);
                match answer.get(9..12) {
                    Some("200" | "202") => passed += 1,
                    Some("400" | "404" | "405") => refused += 1,
                    _ => panic!("{method} {target}: {answer:?}"),
                }
            }
            (refused, passed)
        });
    }
    let shares = asking.join_all().await;
    let (refused, passed) = shares.iter().fold((0, 0), |sum, share| (sum.0 + share.0, sum.1 + share.1));
    let received = mock.received();
    for received in &received {
        let lax = laxest(&received.path);
        assert!(is_exposed(&received.method, &lax), "{} {} may be read as {lax}", received.method, received.path);
        assert!(received.path.is_ascii() && !received.path.contains(['\\', ';', ' ']), "{}", received.path);
    }
    // Cached lists and the caller's own account are answered by callsign.
    assert!(received.len() <= passed);
    assert_eq!(refused + passed, count);
    assert!(passed >= plain.len());
    println!("paths: {count} spellings, {refused} refused, {passed} passed as exposed ones, 0 reached what is not");
}
