//! Forms as five independent HTTP libraries write them, with random names, file names and contents. Either callsign's copy
//! has the client's parts, and the five readers read their names alike, or the readers differ about what the client wrote.
//!
//! `tests/clients/forms_random.py` sends such forms with the libraries themselves.

use proptest::prelude::*;

use super::readers::READERS;
use super::*;

/// A field of a form: name, file name, content.
type Field = (String, Option<String>, Vec<u8>);

/// A writer: returns the head of a part from its name and file name.
type Writer = fn(&str, Option<&str>) -> String;

const WRITERS: [(&str, Writer); 5] =
    [("urllib3", urllib3), ("undici", undici), ("Guzzle", guzzle), ("Apache", apache), ("curl", curl)];

/// Returns the disposition with a text between quotes as it is.
fn disposition(name: &str, filename: Option<&str>) -> String {
    let filename = filename.map(|filename| format!("; filename=\"{filename}\"")).unwrap_or_default();
    format!("Content-Disposition: form-data; name=\"{name}\"{filename}")
}

/// Escapes as the HTML standard says.
fn html(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Python's requests, with urllib3 2.
fn urllib3(name: &str, filename: Option<&str>) -> String {
    let kind = if filename.is_some() { "\r\nContent-Type: audio/mpeg" } else { "" };
    disposition(&html(name), filename.map(html).as_deref()) + kind
}

/// Node's `fetch`. Line breaks in names become CRLF.
fn undici(name: &str, filename: Option<&str>) -> String {
    let name = name.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let kind = if filename.is_some() { "\r\nContent-Type: application/octet-stream" } else { "" };
    disposition(&html(&name), filename.map(html).as_deref()) + kind
}

/// PHP's Guzzle: texts as they are, and a length.
fn guzzle(name: &str, filename: Option<&str>) -> String {
    disposition(name, filename) + "\r\nContent-Length: 7"
}

/// Java's Apache `HttpClient` 4: ASCII, `?` for all else, and a transfer encoding.
fn apache(name: &str, filename: Option<&str>) -> String {
    let ascii = |text: &str| text.replace(|character: char| !character.is_ascii(), "?");
    let kind = if filename.is_some() { "audio/mpeg" } else { "text/plain; charset=ISO-8859-1" };
    let encoding = if filename.is_some() { "binary" } else { "8bit" };
    let head = disposition(&ascii(name), filename.map(ascii).as_deref());
    format!("{head}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}")
}

/// curl 7.81 and later.
fn curl(name: &str, filename: Option<&str>) -> String {
    let kind = if filename.is_some() { "\r\nContent-Type: audio/mpeg" } else { "" };
    disposition(&html(name), filename.map(html).as_deref()) + kind
}

fn written(writer: Writer, fields: &[Field]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, filename, content) in fields {
        body.extend_from_slice(format!("--theirs\r\n{}\r\n\r\n", writer(name, filename.as_deref())).as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--theirs--\r\n");
    body
}

/// Returns the value of `Content-Disposition` and the content of each part of callsign's copy.
fn parts(copy: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut rest = [b"\r\n", copy].concat();
    let mut found = Vec::new();
    while let Some(at) = memchr::memmem::find(&rest, b"\r\n--ours\r\n") {
        rest.drain(..at + b"\r\n--ours\r\n".len());
        let head = memchr::memmem::find(&rest, b"\r\n\r\n").unwrap();
        let end = memchr::memmem::find(&rest, b"\r\n--ours").unwrap();
        let line = String::from_utf8(rest[..head].to_vec()).unwrap();
        let line = line.split("\r\n").next().unwrap().strip_prefix("Content-Disposition: ").unwrap().to_owned();
        found.push((line, rest[head + 4..end].to_vec()));
    }
    found
}

/// Returns true if some reader could take the name for a reserved one.
fn may_be_reserved(name: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy().to_lowercase().replace('ſ', "s");
    ["user", "session_id", "metadata", "prompt_cache_key"].iter().any(|reserved| decoded.contains(reserved))
}

/// Returns true if what the client wrote has two readings, or none.
fn is_ambiguous(head: &str) -> bool {
    let line = head.strip_prefix("Content-Disposition: ").unwrap();
    let value = line.split("\r\nContent-").next().unwrap();
    let names: Vec<_> = READERS.iter().map(|(_, read)| read(value)).collect();
    let plain = |name: &Option<String>| name.as_deref().map(html);
    let differ = names.iter().any(|name| name.is_none() || plain(name) != plain(&names[0]));
    differ || value.contains(char::is_control) || is_read_otherwise(value, names[0].as_deref().unwrap_or_default())
}

/// Returns true for heads that further readers, whose rules `readers` does not have, read in another way.
fn is_read_otherwise(value: &str, name: &str) -> bool {
    // A quote after two backslashes ends the text, but not for Python's `email`.
    let ends_twice = value.contains("\\\\\"");
    // A quote that the writer did not escape: texts and quotes do not alternate.
    let quotes = value.replace("\\\"", "").matches('"').count();
    let is_charset = name.trim_ascii().eq_ignore_ascii_case("_charset_");
    ends_twice || ![2, 4].contains(&quotes) || value.contains("=?") || is_charset
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z_]{1,6}",
        1 => prop_oneof![
            Just("user"), Just("model"), Just("file"), Just("\""), Just("\\"), Just("%22"), Just("%"), Just(";"), Just("="),
            Just(" "), Just("[]"), Just("ü"), Just("\r\n"), Just("\n"), Just("\0"), Just("=?utf-8?q?a?="), Just("_charset_"),
            Just("; name=\"user\""), Just("'"), Just("\u{202e}"), Just("😀"),
        ].prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b't'), any::<u8>()];
    proptest::collection::vec(byte, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_form_arrives_whole_or_the_readers_differ_about_it(
        writer in 0..WRITERS.len(),
        fields in proptest::collection::vec((text(), proptest::option::of(text()), content()), 1..4),
        splits in proptest::collection::vec(0_usize..60, 0..6),
    ) {
        for (_, _, content) in &fields {
            prop_assume!(memchr::memmem::find(content, b"--theirs").is_none());
            prop_assume!(memchr::memmem::find(content, b"--ours").is_none());
        }
        let (library, write) = WRITERS[writer];
        let heads: Vec<_> = fields.iter().map(|(name, filename, _)| write(name, filename.as_deref())).collect();
        match run(&written(write, &fields), &splits) {
            Err(refused) => {
                let head = &heads[usize::try_from(refused.part).unwrap() - 1];
                prop_assert!(is_ambiguous(head), "{library}: {refused}: {head:?}");
            }
            Ok(copy) => {
                let mut arrived = parts(&copy).into_iter().peekable();
                for ((name, _, content), head) in fields.iter().zip(&heads) {
                    let value = head.strip_prefix("Content-Disposition: ").unwrap();
                    let line = value.split("\r\n").next().unwrap();
                    let read = READERS.map(|(_, read)| arrived.peek().and_then(|(copy, _)| read(copy)).map(|name| html(&name)));
                    // The name that all readers agree on; a file name may have had several readings.
                    let (_, undici) = READERS[1];
                    let is_here = read.iter().all(|name| *name == undici(line).map(|name| html(&name)))
                        && arrived.peek().is_some_and(|(_, found)| found == content);
                    if is_here {
                        let (copy, _) = arrived.next().unwrap();
                        for (reader, read) in READERS {
                            let name = read(&copy).unwrap().to_lowercase();
                            prop_assert!(!["user", "session_id", "metadata"].contains(&&*name), "{library}, {reader}: {copy}");
                        }
                    } else {
                        prop_assert!(may_be_reserved(name), "{library}: {name:?} is lost: {read:?}");
                    }
                }
                prop_assert!(arrived.next().is_none(), "{library}: a part that no client wrote");
            }
        }
    }
}

#[test]
fn the_classes_of_refused_names_have_two_readings() {
    for (name, is_two) in [
        ("model", false),
        ("a%22b", false),
        ("ü[]; x=1", false),
        ("a\\b", true),
        ("a\"b", true),
        ("a\r\nb", true),
        ("=?utf-8?q?user?=", true),
        ("_charset_", true),
    ] {
        let head = disposition(name, None);
        assert_eq!(is_ambiguous(&head), is_two, "{name}");
        let body = format!("--theirs\r\n{head}\r\n\r\n1\r\n--theirs--");
        assert_eq!(run(body.as_bytes(), &[]).is_err(), is_two, "{name}");
    }
}
