//! The standard output and error of the commands. A terminal gets no character that moves, hides or reorders text, even if
//! a command prints text from outside as it is. A file or pipe gets every byte unchanged.

use std::io::{self, IsTerminal, Write};

use callsign_core::visible::printable_output;

/// A writer for a terminal or a file.
#[derive(Debug)]
pub struct Screen<W> {
    inner: W,
    is_terminal: bool,
}

impl Screen<anstream::AutoStream<io::Stdout>> {
    /// Returns the standard output, with colours if it is a terminal that wants them.
    pub fn stdout() -> Self {
        Self::new(anstream::AutoStream::auto(io::stdout()), io::stdout().is_terminal())
    }
}

impl Screen<io::Stderr> {
    /// Returns the standard error.
    pub fn stderr() -> Self {
        Self::new(io::stderr(), io::stderr().is_terminal())
    }
}

impl<W: Write> Screen<W> {
    /// Writes to `inner`, which is a terminal or not.
    pub fn new(inner: W, is_terminal: bool) -> Self {
        Self { inner, is_terminal }
    }
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.inner.write(bytes);
        }
        // Commands write whole texts, so no character is split between two calls.
        let text = String::from_utf8_lossy(bytes);
        let shown = printable_output(&text, true, |character| matches!(character, '\n' | '\t'));
        self.inner.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_is_protected() {
        let text = "{\"user\": \"al\u{202e}ice\"}\n\x1b[1mbold\x1b[0m\x1b[2J\n";
        let written = |is_terminal| {
            let mut screen = Screen::new(Vec::new(), is_terminal);
            write!(screen, "{text}").unwrap();
            screen.flush().unwrap();
            String::from_utf8(screen.inner).unwrap()
        };
        assert_eq!(written(false), text);
        assert_eq!(written(true), "{\"user\": \"al\\u202eice\"}\n\x1b[1mbold\x1b[0m\\u001b[2J\n");
    }
}
