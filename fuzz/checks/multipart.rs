//! Forms at arbitrary splits, against a reader of a few lines that only knows callsign's own writing.
//!
//! Input: one byte with the number of splits (its lower four bits), that many bytes of split lengths, then the form, whose
//! boundary is `b`. What is accepted must be, read again, the client's parts without the owned ones.

use std::sync::Arc;

use bytes::Bytes;
use callsign::rewrite::multipart::{BadForm, Boundary, Form};
use callsign::rewrite::{Output, OwnedNames};

const NAMES: [&str; 4] = ["user", "session_id", "metadata", "__proto__"];
const OURS: &str = "callsign-0123456789abcdef";

/// A part: the lines of its head, and its content.
type Part = (Vec<Vec<u8>>, Vec<u8>);

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let Some((splits, body)) = rest.split_at_checked(usize::from(count & 0x0f)) else { return };
    // No client can know our boundary; one that did could have it in a file.
    if memchr::memmem::find(body, OURS.as_bytes()).is_some() {
        return;
    }
    let whole = run(body, std::iter::empty());
    for split in [run(body, splits.iter().map(|&length| length.into())), run(body, std::iter::repeat_n(1, body.len()))]
    {
        assert_eq!(whole, split, "{}", body.escape_ascii());
    }
    let Ok(sent) = whole else { return };
    let came = read(body, b"b").unwrap_or_else(|| panic!("accepted: {}", body.escape_ascii()));
    let left = read(&sent, OURS.as_bytes()).unwrap_or_else(|| panic!("written: {}", sent.escape_ascii()));
    let kept: Vec<&Part> = came.iter().filter(|part| !is_owned(&name(part))).collect();
    assert_eq!(kept.len(), left.len(), "{}\n{}", body.escape_ascii(), sent.escape_ascii());
    for (came, left) in kept.iter().zip(&left) {
        assert_eq!(name(came), name(left));
        assert_eq!(came.1, left.1, "content");
        assert!(!is_owned(&name(left)));
        assert!(left.0.len() <= 2 && left.0[0].starts_with(b"Content-Disposition: form-data; name=\""));
    }
}

fn run(body: &[u8], lengths: impl Iterator<Item = usize>) -> Result<Vec<u8>, BadForm> {
    let boundary = |text: &str| {
        let content_type = format!("multipart/form-data; boundary={text}");
        Boundary::of_content_type(content_type.as_bytes()).expect("a boundary")
    };
    let owned = Arc::new(OwnedNames::new(NAMES, None));
    let mut form = Form::new(owned, &boundary("b"), boundary(OURS));
    let mut out = Output::default();
    let mut rest = Bytes::copy_from_slice(body);
    for length in lengths {
        form.feed(&rest.split_to(length.min(rest.len())), &mut out)?;
    }
    form.feed(&rest, &mut out)?;
    form.finish()?;
    Ok(out.into_pieces().flatten().collect())
}

/// The parts of a form without preamble; its last delimiter may be followed by one CRLF.
fn read(body: &[u8], boundary: &[u8]) -> Option<Vec<Part>> {
    let delimiter = [b"\r\n--", boundary].concat();
    let mut rest = body.strip_prefix(&delimiter[2..])?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = memchr::memmem::find(part, &delimiter)?;
        let head = memchr::memmem::find(part, b"\r\n\r\n")?;
        let lines = String::from_utf8(part[..head].to_vec()).ok()?;
        parts.push((
            lines.split("\r\n").map(|line| line.as_bytes().to_vec()).collect(),
            part.get(head + 4..end)?.to_vec(),
        ));
        rest = &part[end + delimiter.len()..];
    }
    matches!(rest, b"--" | b"--\r\n").then_some(parts)
}

/// What stands in quotes behind the first `name=`, in any case.
fn name(part: &Part) -> String {
    let line = part.0.iter().find(|line| line.to_ascii_lowercase().starts_with(b"content-disposition"));
    let line = String::from_utf8(line.expect("a disposition").clone()).expect("UTF-8");
    let at = line.to_ascii_lowercase().find("name=\"").expect("a name") + "name=\"".len();
    line[at..].split('"').next().unwrap_or_default().to_owned()
}

/// The laxest reader: case, long s, blanks around it, what follows a bracket, a dot or U+0000, percent-encoded once.
fn is_owned(name: &str) -> bool {
    [name.as_bytes().to_vec(), unescape(name)].into_iter().any(|name| {
        let text = String::from_utf8_lossy(&name).replace('\u{17f}', "s").to_ascii_lowercase();
        let outer = text.split(['[', '.']).next().unwrap_or_default();
        let outer = outer.trim_matches([' ', '\t', '\n', '\r', '\u{c}']);
        NAMES.contains(&outer.split('\0').next().unwrap_or_default())
    })
}

fn unescape(name: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), name.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    bytes
}
