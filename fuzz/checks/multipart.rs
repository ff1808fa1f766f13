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
        let quotes = memchr::memchr_iter(b'"', &left.0[0]).count();
        assert!(matches!(quotes, 2 | 4) && !left.0.concat().contains(&b'\\'), "{}", sent.escape_ascii());
        assert!(left.0.get(1).is_none_or(|line| line.starts_with(b"Content-Type: ")));
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

/// Reads the parts of a form. Only CRLFs may precede the first and follow the last delimiter.
fn read(body: &[u8], boundary: &[u8]) -> Option<Vec<Part>> {
    let delimiter = [b"\r\n--", boundary].concat();
    let mut rest = without_empty_lines(body).strip_prefix(&delimiter[2..])?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = memchr::memmem::find(part, &delimiter)?;
        let head = memchr::memmem::find(part, b"\r\n\r\n")?;
        parts.push((lines(&part[..head]), part.get(head + 4..end)?.to_vec()));
        rest = &part[end + delimiter.len()..];
    }
    without_empty_lines(rest.strip_prefix(b"--")?).is_empty().then_some(parts)
}

fn without_empty_lines(mut body: &[u8]) -> &[u8] {
    while let Some(rest) = body.strip_prefix(b"\r\n") {
        body = rest;
    }
    body
}

fn lines(mut head: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    while let Some(end) = memchr::memmem::find(head, b"\r\n") {
        lines.push(head[..end].to_vec());
        head = &head[end + 2..];
    }
    lines.push(head.to_vec());
    lines
}

/// Returns the value of the parameter `name` of the disposition.
fn name(part: &Part) -> String {
    let line = part.0.iter().find(|line| line.to_ascii_lowercase().starts_with(b"content-disposition:"));
    let mut rest = line.expect("a disposition").as_slice();
    // A `;` or quote within a quoted string does not count; `\"` does not end it.
    let (mut parameters, mut quoted) = (vec![Vec::new()], false);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b';' if !quoted => parameters.push(Vec::new()),
            b'\\' if quoted && rest.first() == Some(&b'"') => {
                parameters.last_mut().expect("one").extend_from_slice(b"\\\"");
                rest = &rest[1..];
            }
            _ => {
                quoted ^= byte == b'"';
                parameters.last_mut().expect("one").push(byte);
            }
        }
    }
    let value = |parameter: &Vec<u8>| {
        let text = String::from_utf8_lossy(parameter).trim_ascii().to_owned();
        let (name, value) = text.split_once('=')?;
        name.eq_ignore_ascii_case("name").then(|| value.trim_matches('"').to_owned())
    };
    parameters.iter().find_map(value).expect("a name")
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
