//! Parses and writes the head of one part.

use super::super::output::Output;
use super::boundary::Boundary;

/// A part head: slices of the client's head. Each is checked to contain no character that could end it early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    filename: Option<&'a str>,
    content_type: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// Returns the head of a text part with this name.
    pub(super) fn plain(name: &'a str) -> Self {
        Self { name, filename: None, content_type: None }
    }

    /// Parses the lines of a head without the blank line; `None` if they violate the grammar.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (mut disposition, mut content_type) = (None, None);
        for line in text.split("\r\n") {
            // Folded lines, lone CR or LF, and all other control characters except tabs are refused.
            if line.starts_with([' ', '\t']) || line.contains(|c: char| c.is_control() && c != '\t') {
                return None;
            }
            let (name, value) = line.split_once(':')?;
            let slot = match name {
                _ if name.eq_ignore_ascii_case("content-disposition") => &mut disposition,
                _ if name.eq_ignore_ascii_case("content-type") => &mut content_type,
                _ => return None,
            };
            if slot.replace(value.trim_matches([' ', '\t'])).is_some() {
                return None;
            }
        }
        let (name, filename) = parameters(disposition?)?;
        // A nested multipart part would contain more part names.
        let simple = |value: &str| {
            value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
                && !value.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
        };
        content_type.is_none_or(simple).then_some(Self { name, filename, content_type })
    }

    /// Writes the delimiter and this head.
    pub(super) fn write(&self, boundary: &Boundary, out: &mut Output) {
        let text = |text: &str, out: &mut Output| out.copy(text.as_bytes());
        text("--", out);
        out.copy(boundary.as_bytes());
        text("\r\nContent-Disposition: form-data; name=\"", out);
        text(self.name, out);
        if let Some(filename) = self.filename {
            text("\"; filename=\"", out);
            text(filename, out);
        }
        text("\"\r\n", out);
        if let Some(content_type) = self.content_type {
            text("Content-Type: ", out);
            text(content_type, out);
            text("\r\n", out);
        }
        text("\r\n", out);
    }
}

/// Parses `form-data; name="…"[; filename="…"]`; returns the name and the file name.
fn parameters(disposition: &str) -> Option<(&str, Option<&str>)> {
    let (kind, rest) = disposition.split_once(';')?;
    if !kind.trim_end_matches([' ', '\t']).eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (name, rest) = quoted(rest, "name=")?;
    if rest.is_empty() {
        return Some((name, None));
    }
    let (filename, rest) = quoted(rest.strip_prefix(';')?, "filename=")?;
    rest.is_empty().then_some((name, Some(filename)))
}

/// Parses a quoted parameter; returns its value and the rest of the text.
fn quoted<'a>(text: &'a str, parameter: &str) -> Option<(&'a str, &'a str)> {
    let (name, value) = text.trim_start_matches([' ', '\t']).split_at_checked(parameter.len())?;
    if !name.eq_ignore_ascii_case(parameter) {
        return None;
    }
    let (value, rest) = value.strip_prefix('"')?.split_once('"')?;
    // Some readers take a backslash for an escape, others for a literal character.
    (!value.contains('\\')).then(|| (value, rest.trim_start_matches([' ', '\t'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_real_clients_are_accepted() {
        let read = |text: &'static str| {
            let head = Head::parse(text.as_bytes());
            head.map(|head| (head.name, head.filename, head.content_type))
        };
        for (text, expected) in [
            ("Content-Disposition: form-data; name=\"model\"", ("model", None, None)),
            (
                "Content-Disposition: form-data; name=\"file\"; filename=\"a b.mp3\"\r\nContent-Type: audio/mpeg",
                ("file", Some("a b.mp3"), Some("audio/mpeg")),
            ),
            (
                "content-type: text/plain; charset=utf-8\r\nCONTENT-DISPOSITION:form-data;name=\"ü%22\";filename=\"\"",
                ("ü%22", Some(""), Some("text/plain; charset=utf-8")),
            ),
            ("Content-Disposition: Form-Data ; Name=\"x\" ; FileName=\"y\" ", ("x", Some("y"), None)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        let good = "Content-Disposition: form-data; name=\"x\"";
        for text in [
            String::new(),
            "Content-Type: text/plain".into(),
            "Content-Disposition: form-data".into(),
            "Content-Disposition: form-data; name=x".into(),
            "Content-Disposition: form-data; name='x'".into(),
            "Content-Disposition: form-data; name=\"x".into(),
            "Content-Disposition: form-data; name=\"x\"y".into(),
            "Content-Disposition: form-data; name=\"x\\\"; name=\\\"y\"".into(),
            "Content-Disposition: form-data; name=\"x\";".into(),
            "Content-Disposition: form-data; name=\"x\"; name=\"user\"".into(),
            "Content-Disposition: form-data; name=\"x\"; filename=\"y\"; name=\"user\"".into(),
            "Content-Disposition: form-data; name=\"x\"; name*=utf-8''user".into(),
            "Content-Disposition: form-data; name*=utf-8''user".into(),
            "Content-Disposition: form-data; name=\"x\"; filename*=utf-8''y".into(),
            "Content-Disposition: form-data; filename=\"y\"; name=\"user\"".into(),
            "Content-Disposition: form-data; name =\"x\"".into(),
            "Content-Disposition: form-data; name= \"x\"".into(),
            "Content-Disposition: attachment; name=\"x\"".into(),
            "Content-Disposition : form-data; name=\"x\"".into(),
            format!(" {good}"),
            format!("{good}\r\n{good}"),
            format!("{good}\r\n"),
            format!("{good}\r\nContent-Type: a/b\r\nContent-Type: a/b"),
            format!("{good}\r\n Content-Type: a/b"),
            format!("{good}\r\nContent-Type: multipart/mixed; boundary=y"),
            format!("{good}\r\nContent-Type: Multipart/Form-Data"),
            format!("{good}\r\nContent-Length: 1"),
            format!("{good}\r\nContent-Transfer-Encoding: base64"),
            format!("{good}\r\nno colon"),
            format!("{good}\nContent-Type: a/b"),
            format!("{good}\rContent-Type: a/b"),
            format!("{good}\u{0}"),
            "Content-Disposition: form-data; name=\"x\u{85}\"".into(),
        ] {
            assert_eq!(Head::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Head::parse(b"Content-Disposition: form-data; name=\"\xff\""), None);
    }
}
