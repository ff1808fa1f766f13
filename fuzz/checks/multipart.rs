//! Forms at arbitrary splits, against a short reader that understands only the syntax that callsign writes.
//!
//! Input: one byte with the number of splits (its lower four bits), that many bytes of split lengths, then the form,
//! whose boundary is `b`. The output of an accepted form must consist of the client's parts without the reserved ones,
//! and one part of callsign's.

use std::sync::Arc;

use bytes::Bytes;
use callsign_core::rewrite::multipart::{Boundary, Form, FormError};
use callsign_core::rewrite::{Output, ReservedFields};

const NAMES: [&str; 4] = ["user", "session_id", "metadata", "__proto__"];
const OURS: &str = "callsign-0123456789abcdef";

/// A part: the lines of its head, and its content.
type Part = (Vec<Vec<u8>>, Vec<u8>);

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let Some((splits, body)) = rest.split_at_checked(usize::from(count & 0x0f)) else { return };
    // A client cannot know callsign's random boundary, so its content does not contain it.
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
    let mut left = read(&sent, OURS.as_bytes()).unwrap_or_else(|| panic!("written: {}", sent.escape_ascii()));
    let ours = left.pop().expect("the part of callsign");
    assert_eq!((name(&ours).as_str(), ours.1.as_slice()), ("user", b"u-1".as_slice()));
    let kept: Vec<&Part> = came.iter().filter(|part| !is_owned(&name(part))).collect();
    assert_eq!(kept.len(), left.len(), "{}\n{}", body.escape_ascii(), sent.escape_ascii());
    for (came, left) in kept.iter().zip(&left) {
        assert_eq!(name(came), name(left));
        assert_eq!(came.1, left.1, "content");
        assert!(!is_owned(&name(left)));
        assert!(left.0.len() <= 2 && left.0[0].starts_with(b"Content-Disposition: form-data; name=\""));
    }
}

fn run(body: &[u8], lengths: impl Iterator<Item = usize>) -> Result<Vec<u8>, FormError> {
    let boundary = |text: &str| {
        let content_type = format!("multipart/form-data; boundary={text}");
        Boundary::of_content_type(content_type.as_bytes()).expect("a boundary")
    };
    let owned = Arc::new(ReservedFields::new(NAMES, None));
    let mut form = Form::new(owned, &boundary("b"), boundary(OURS)).append(vec![("user", "u-1".to_owned())]);
    let mut out = Output::default();
    let mut rest = Bytes::copy_from_slice(body);
    for length in lengths {
        form.feed(&rest.split_to(length.min(rest.len())), &mut out)?;
    }
    form.feed(&rest, &mut out)?;
    form.finish()?;
    Ok(out.into_pieces().flatten().collect())
}

/// Reads the parts of a form without preamble. One CRLF may follow the last delimiter.
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

/// Returns the quoted text after the first `name=` in any case.
fn name(part: &Part) -> String {
    let line = part.0.iter().find(|line| line.to_ascii_lowercase().starts_with(b"content-disposition"));
    let line = String::from_utf8(line.expect("a disposition").clone()).expect("UTF-8");
    let at = line.to_ascii_lowercase().find("name=\"").expect("a name") + "name=\"".len();
    line[at..].split('"').next().unwrap_or_default().to_owned()
}

/// Returns true if the most lenient reader takes the name for a reserved one: it ignores case, surrounding blanks and
/// all after a bracket, dot or U+0000, folds the long s and decodes percent signs once.
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
