//! The rules by which five widely used readers find the name of a part, as short functions. Whatever a client writes, each
//! of them must read the name in callsign's copy, and none may read a reserved one.
//!
//! busboy (Node), undici (`fetch`), workerd (Cloudflare), `mime/multipart` (Go), `email` (Python).

use proptest::prelude::*;

use super::*;

/// A reader: returns the part's name, from the value of `Content-Disposition`.
pub(super) type Reader = fn(&str) -> Option<String>;

pub(super) const READERS: [(&str, Reader); 5] =
    [("busboy", busboy), ("undici", undici), ("workerd", workerd), ("go", go), ("python", python)];

/// busboy 1: tokens or quoted strings; a backslash escapes a backslash or a quote; a later parameter wins; `name*` too.
fn busboy(value: &str) -> Option<String> {
    parameter(value, |next| matches!(next, '\\' | '"'), true)
}

/// Go: a backslash escapes a quote or a backslash; a repeated parameter is an error.
fn go(value: &str) -> Option<String> {
    parameter(value, |next| matches!(next, '\\' | '"'), false)
}

/// workerd: a backslash escapes any character; a later parameter wins.
fn workerd(value: &str) -> Option<String> {
    parameter(value, |_| true, true)
}

/// Python: parameters are split at each `;` outside quotes; `\\` and `\"` are unescaped.
fn python(value: &str) -> Option<String> {
    let mut parts = vec![String::new()];
    let mut quotes = 0_usize;
    for character in value.chars() {
        if character == ';' && quotes.is_multiple_of(2) {
            parts.push(String::new());
            continue;
        }
        quotes += usize::from(character == '"');
        parts.last_mut()?.push(character);
    }
    let named = |part: &String| {
        let (name, value) = part.split_once('=')?;
        let inner = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        let text = inner.replace("\\\\", "\\").replace("\\\"", "\"");
        name.trim().eq_ignore_ascii_case("name").then_some(text)
    };
    parts.iter().skip(1).find_map(named)
}

/// undici: exactly `form-data; name="`, up to the next quote; `%22`, `%0D` and `%0A` are decoded.
fn undici(value: &str) -> Option<String> {
    let rest = value.strip_prefix("form-data; name=\"")?;
    let (name, _) = rest.split_once('"')?;
    Some(name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

/// Reads `name` from parameters that are tokens or quoted strings with escapes.
fn parameter(value: &str, is_escapable: fn(char) -> bool, repeats: bool) -> Option<String> {
    let mut rest = value.strip_prefix("form-data")?.chars().peekable();
    let mut found = None;
    while let Some(character) = rest.next() {
        if matches!(character, ';' | ' ') {
            continue;
        }
        let mut name = String::from(character);
        while let Some(character) = rest.next_if(|character| *character != '=') {
            name.push(character);
        }
        rest.next();
        rest.next_if_eq(&'"')?;
        let mut text = String::new();
        loop {
            match rest.next()? {
                '"' => break,
                '\\' => match rest.next_if(|next| is_escapable(*next)) {
                    Some(escaped) => text.push(escaped),
                    None => text.push('\\'),
                },
                other => text.push(other),
            }
        }
        if name.eq_ignore_ascii_case("name") {
            if found.is_some() && !repeats {
                return None;
            }
            found = Some(text);
        }
    }
    found
}

/// Returns the value of `Content-Disposition` and the names that `Form` reported, for a form of one part with this head.
fn copied(head: &str) -> Option<String> {
    let body = format!("--theirs\r\n{head}\r\n\r\ncontent\r\n--theirs--");
    let out = String::from_utf8(run(body.as_bytes(), &[]).ok()?).unwrap();
    let mut lines = out.split("\r\n");
    assert_eq!(lines.next(), Some(if out.starts_with("--ours--") { "--ours--" } else { "--ours" }));
    lines.next().filter(|line| !line.is_empty())?.strip_prefix("Content-Disposition: ").map(str::to_owned)
}

/// Pieces of heads, from which the generator builds valid and nearly valid ones.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Content-Disposition: form-data"),
        Just("; name="),
        Just("; name=\"user\""),
        Just("; name=user"),
        Just("; name=\"model\""),
        Just("; filename="),
        Just("; filename*=utf-8''a%22%3B%20name%3Duser"),
        Just("; name*=utf-8''user"),
        Just("\""),
        Just("\\\""),
        Just("\\"),
        Just("user"),
        Just("a; name=\\\"user"),
        Just("%22; name=%22user"),
        Just(";"),
        Just(" "),
        Just("\r\n"),
        Just("\r\nContent-Type: text/plain"),
        Just("\r\nX-Any: ; name=\"user\""),
        Just("ü\u{202e}"),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn the_readers_read_what_callsign_writes() {
    for name in ["model", "a%22b", "timestamp_granularities[]", "ü", "a;b=c", "a=b", ""] {
        let line =
            copied(&format!("Content-Disposition: form-data; filename=\"C:\\x\\\"; y\"; name=\"{name}\"")).unwrap();
        for (reader, read) in READERS {
            let expected = if reader == "undici" { name.replace("%22", "\"") } else { name.to_owned() };
            assert_eq!(read(&line), Some(expected), "{reader}: {line}");
        }
    }
    // The readers would differ about these, so they must not leave.
    let (two, escaped) = ("form-data; name=\"a\"; name=\"user\"", "form-data; name=\"us\\er\"");
    assert_ne!((busboy(two), python(two)), (go(two), go(two)));
    assert_ne!(workerd(escaped), go(escaped));
    for value in [two, escaped] {
        assert_eq!(copied(&format!("Content-Disposition: {value}")), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn five_readers_agree_on_every_copy_and_find_no_reserved_name(
        name in "[a-z%\"; =ü\\\\]{0,8}", rest in pieces(), head in pieces(),
    ) {
        for head in [format!("Content-Disposition: form-data; name=\"{name}\"{rest}"), head] {
            let Some(line) = copied(&head) else { continue };
            let names: Vec<_> = READERS.iter().map(|(_, read)| read(&line).unwrap_or_else(|| panic!("{line}"))).collect();
            for name in &names {
                prop_assert!(!["user", "session_id", "metadata"].contains(&name.to_ascii_lowercase().as_str()), "{line}");
            }
            let plain = names[0].replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
            prop_assert!(names.iter().all(|name| *name == names[0] || *name == plain), "{line}: {names:?}");
        }
    }
}
