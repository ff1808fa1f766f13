//! The lines that `serve` writes besides the log: its start message, and why it does not start. If the log is in JSON,
//! they are too (docs/SPEC.md#request-log).

use std::io::{self, Write};

use jiff::Timestamp;

/// A writer of lines for people, or of a JSON object for each of these lines.
#[derive(Debug)]
pub(super) struct Notices<W: Write> {
    inner: W,
    /// The level of the lines; `None` for plain lines.
    level: Option<&'static str>,
    /// The beginning of a line whose end was not written yet.
    line: Vec<u8>,
}

impl<W: Write> Notices<W> {
    /// Writes to `inner`, in JSON with this level if `is_json` is true.
    pub(super) fn new(inner: W, is_json: bool, level: &'static str) -> Self {
        Self { inner, level: is_json.then_some(level), line: Vec::new() }
    }

    fn write_line(&mut self, level: &str) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let message = String::from_utf8_lossy(&line);
        let message = message.trim();
        if message.is_empty() {
            return Ok(());
        }
        let timestamp = Timestamp::now().to_string();
        writeln!(self.inner, "{}", serde_json::json!({"timestamp": timestamp, "level": level, "message": message}))
    }
}

impl<W: Write> Write for Notices<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(level) = self.level else { return self.inner.write(bytes) };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.write_line(level)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(is_json: bool) -> String {
        let mut out = Vec::new();
        let mut notices = Notices::new(&mut out, is_json, "ERROR");
        write!(notices, "one \"quoted\"").unwrap();
        write!(notices, " line\n\n  two\nthr").unwrap();
        writeln!(notices, "ee").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_is_an_object_in_json_and_as_written_otherwise() {
        assert_eq!(written(false), "one \"quoted\" line\n\n  two\nthree\n");
        let written = written(true);
        let lines: Vec<serde_json::Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["one \"quoted\" line", "two", "three"]);
        assert!(lines.iter().all(|line| line["level"] == "ERROR" && line["timestamp"].is_string()));
    }
}
