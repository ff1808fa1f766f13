//! Reads a JSON text in pieces of any size and reports the members that `shape` lists.
//!
//! The reader stores the open containers that matter (at most five), the number of open irrelevant containers, and a
//! name or value of up to [`MAX_VALUE`] bytes that a piece has cut in two. It stores nothing else of the text. It skips
//! irrelevant parts several bytes at a time. It does not validate: invalid JSON can give wrong values. It does not
//! panic, and the result does not depend on the split (test `no_split_matters`).

use super::accumulator::Accumulator;
use super::near;
use super::shape::{Member, Scope};

/// Maximum length of a name or value, in bytes as written. A longer one counts as absent, because a truncated one would
/// be a different name.
const MAX_VALUE: usize = 256;
/// Maximum depth of the shapes: document, choices, choice, error, metadata.
const MAX_SCOPES: usize = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the `{`.
    #[default]
    Start,
    /// In an object, before a name or the end.
    Object,
    /// In a name.
    Name,
    /// After a name, before or after the colon.
    Value,
    /// In a text that matters.
    Text,
    /// In a number or literal that matters.
    Scalar,
    /// In an array that matters, before an element or the end.
    Array,
    /// In a container that does not matter.
    Skipped,
    /// In a text that does not matter.
    SkippedText,
    /// After the `}`, or in a document that is not an object.
    Over,
}

/// The reader of one document.
#[derive(Debug)]
pub(super) struct Members {
    state: State,
    /// The open objects and arrays that matter, the innermost last. `open` is their number.
    scopes: [Scope; MAX_SCOPES],
    open: usize,
    /// The member whose value follows or is being read.
    member: Option<Member>,
    /// The beginning of an incomplete name or value; one byte longer than [`MAX_VALUE`] if it is too long.
    partial: Vec<u8>,
    /// True if the last byte was a backslash that escapes the next one.
    escaped: bool,
    /// True if the value that is being skipped is output unless it is empty, and its first byte has not been read.
    watched: bool,
    /// The irrelevant container that is being skipped: true if it is an array, and the number of open ones of its kind.
    skipped: (bool, u64),
}

impl Default for Members {
    fn default() -> Self {
        Self {
            state: State::Start,
            scopes: [Scope::Top; MAX_SCOPES],
            open: 0,
            member: None,
            partial: Vec::new(),
            escaped: false,
            watched: false,
            skipped: (false, 0),
        }
    }
}

impl Members {
    /// Prepares for the next document.
    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.open = 0;
        self.partial.clear();
        self.escaped = false;
        self.watched = false;
        self.skipped.1 = 0;
    }

    /// Returns the memory in use, in bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.partial.capacity()
    }

    /// Returns true if no byte of the document but white space has been read.
    pub(super) fn is_blank(&self) -> bool {
        self.state == State::Start
    }

    /// Returns true if the document has ended or is not an object.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Reads the next bytes. Returns the position of the document's last brace if it is in `bytes`. Bytes after it are
    /// ignored.
    ///
    /// The function of each state calls that of the most likely next state, so a member takes one turn of the loop.
    pub(super) fn feed(&mut self, all: &[u8], found: &mut Accumulator) -> Option<usize> {
        let mut bytes = all;
        if self.state == State::Start {
            bytes = self.start(bytes);
        }
        if self.state == State::Over {
            return None;
        }
        while !bytes.is_empty() && self.state != State::Over {
            bytes = match self.state {
                State::Object => self.object(bytes, found),
                State::Array => self.array(bytes),
                State::Name => self.name(bytes, found),
                State::Value => self.value(bytes, found),
                State::Text => self.text(bytes, found),
                State::Scalar => self.scalar(bytes, found),
                State::Skipped => self.skip(bytes, found),
                State::SkippedText => self.skip_text(bytes, found),
                State::Start | State::Over => &[],
            };
        }
        (self.state == State::Over).then(|| (all.len() - bytes.len()).saturating_sub(1))
    }

    /// Skips to the first brace. OpenRouter keeps slow responses alive with white space; a byte order mark is ignored.
    fn start<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf);
        let Some(at) = bytes.iter().position(|byte| !blank(byte)) else { return &[] };
        let (byte, after) = split(bytes, at);
        if byte == b'{' {
            self.enter(Scope::Top);
        } else {
            self.state = State::Over;
        }
        after
    }

    fn enter(&mut self, scope: Scope) {
        if let Some(place) = self.scopes.get_mut(self.open) {
            *place = scope;
            self.open += 1;
        }
        self.resume();
    }

    fn leave(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.resume();
    }

    fn scope(&self) -> Option<Scope> {
        self.open.checked_sub(1).and_then(|innermost| self.scopes.get(innermost)).copied()
    }

    /// Continues in the innermost container that matters.
    fn resume(&mut self) {
        self.state = match self.scope() {
            None => State::Over,
            Some(Scope::Choices) => State::Array,
            Some(_) => State::Object,
        };
    }

    /// Reads to the next name or the object's end. Commas, white space and irrelevant scalars are skipped.
    fn object<'a>(&mut self, bytes: &'a [u8], found: &mut Accumulator) -> &'a [u8] {
        let at = match bytes {
            [b'"', ..] => 0,
            [b',', b'"', ..] => 1,
            _ => match bytes.iter().position(|byte| matches!(byte, b'"' | b'}')) {
                Some(at) => at,
                None => return &[],
            },
        };
        let (byte, after) = split(bytes, at);
        if byte == b'"' {
            self.state = State::Name;
            return self.name(after, found);
        }
        self.leave();
        after
    }

    /// Reads to the next element or the array's end. Scalars are skipped.
    fn array<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(at) = bytes.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b']')) else { return &[] };
        let (byte, after) = split(bytes, at);
        match byte {
            b'"' => self.state = State::SkippedText,
            b'{' => self.enter(Scope::Choice),
            b'[' => self.enter_irrelevant(true),
            _ => self.leave(),
        }
        after
    }

    fn name<'a>(&mut self, bytes: &'a [u8], found: &mut Accumulator) -> &'a [u8] {
        let (piece, after, ended) = self.until_quote(bytes);
        if !ended {
            self.store(piece);
            return after;
        }
        let scope = self.scope().unwrap_or(Scope::Top);
        self.member = self.complete(piece, |name| Member::of(scope, name));
        self.partial.clear();
        self.state = State::Value;
        self.value(after, found)
    }

    fn value<'a>(&mut self, bytes: &'a [u8], found: &mut Accumulator) -> &'a [u8] {
        let blank = |byte: &u8| matches!(byte, b':' | b' ' | b'\t' | b'\r' | b'\n');
        let Some(at) = bytes.iter().position(|byte| !blank(byte)) else { return &[] };
        let (value, (byte, after)) = (bytes.get(at..).unwrap_or_default(), split(bytes, at));
        let member = self.member.unwrap_or(Member::Other);
        match byte {
            b'"' if member.wants_scalar() => {
                self.state = State::Text;
                return self.text(after, found);
            }
            b'"' => {
                self.state = State::SkippedText;
                self.watched = member.is_text();
                return self.skip_text(after, found);
            }
            b'{' => {
                if let Some(scope) = member.object() {
                    found.begin(member);
                    self.enter(scope);
                } else {
                    self.enter_irrelevant(false);
                    self.watched = member == Member::Output;
                }
            }
            b'[' => match member.array() {
                Some(Scope::Choices) => self.enter(Scope::Choices),
                // The presence of `reasons` is enough.
                reasons => {
                    if reasons.is_some() {
                        found.begin(member);
                    }
                    self.enter_irrelevant(true);
                    self.watched = member == Member::Output;
                }
            },
            // There is no value.
            b',' | b'}' | b']' => {
                self.resume();
                return value;
            }
            _ if member.wants_scalar() => {
                self.state = State::Scalar;
                return self.scalar(value, found);
            }
            _ => self.resume(),
        }
        after
    }

    fn text<'a>(&mut self, bytes: &'a [u8], found: &mut Accumulator) -> &'a [u8] {
        let (piece, after, ended) = self.until_quote(bytes);
        if ended {
            self.finish_value(piece, true, found);
        } else {
            self.store(piece);
        }
        after
    }

    fn skip_text<'a>(&mut self, bytes: &'a [u8], found: &mut Accumulator) -> &'a [u8] {
        if self.watched {
            self.watch(bytes.first().copied(), b'"', found);
        }
        let (_, after, ended) = self.until_quote(bytes);
        if ended && self.skipped.1 > 0 {
            self.state = State::Skipped;
        } else if ended {
            self.resume();
        }
        after
    }

    fn scalar<'a>(&mut self, bytes: &'a [u8], found: &mut Accumulator) -> &'a [u8] {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        let Some(end) = bytes.iter().position(ends) else {
            self.store(bytes);
            return &[];
        };
        let (piece, after) = bytes.split_at(end);
        self.finish_value(piece, false, found);
        after
    }

    /// Reports the value that ends with `piece`.
    fn finish_value(&mut self, piece: &[u8], quoted: bool, found: &mut Accumulator) {
        let member = self.member.unwrap_or(Member::Other);
        self.complete(piece, |value| found.set_member(member, value, quoted));
        self.partial.clear();
        self.resume();
    }

    fn enter_irrelevant(&mut self, array: bool) {
        self.skipped = (array, 1);
        self.state = State::Skipped;
    }

    /// Skips to the end of the irrelevant container. Only brackets of its own kind are counted, because in JSON the
    /// other kind is balanced inside.
    fn skip<'a>(&mut self, bytes: &'a [u8], found: &mut Accumulator) -> &'a [u8] {
        let (open, close) = if self.skipped.0 { (b'[', b']') } else { (b'{', b'}') };
        if self.watched {
            let first = bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            self.watch(first.copied(), close, found);
        }
        let mut rest = bytes;
        while let Some(at) = near::find3([b'"', open, close], rest) {
            let (byte, after) = split(rest, at);
            rest = after;
            if byte == b'"' {
                self.state = State::SkippedText;
                rest = self.skip_text(rest, found);
                if self.state == State::SkippedText {
                    return rest;
                }
                continue;
            }
            if byte == open {
                self.skipped.1 += 1;
                continue;
            }
            self.skipped.1 -= 1;
            if self.skipped.1 == 0 {
                self.resume();
                return rest;
            }
        }
        &[]
    }

    /// Decides with the first byte of a value if it is output.
    fn watch(&mut self, first: Option<u8>, closes: u8, found: &mut Accumulator) {
        let Some(first) = first else { return };
        self.watched = false;
        if first != closes {
            found.output();
        }
    }

    /// Returns the text up to its closing quote or the end of `bytes`, the bytes after it, and true if the text has
    /// ended.
    fn until_quote<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8], bool) {
        let first = usize::from(std::mem::take(&mut self.escaped));
        let mut from = first;
        while let Some(found) = near::find(b'"', bytes.get(from..).unwrap_or_default()) {
            let at = from + found;
            if !ends_in_escape(bytes.get(first..at).unwrap_or_default()) {
                return (bytes.get(..at).unwrap_or_default(), split(bytes, at).1, true);
            }
            from = at + 1;
        }
        self.escaped = ends_in_escape(bytes.get(first..).unwrap_or_default());
        (bytes, &[], false)
    }

    /// Stores a piece of an incomplete name or value.
    fn store(&mut self, piece: &[u8]) {
        let room = (MAX_VALUE + 1).saturating_sub(self.partial.len());
        self.partial.extend(piece.iter().take(room));
    }

    /// Calls `using` with the name or value that ends with `piece`, unless it is too long. It is copied only if it
    /// began in an earlier piece.
    fn complete<T>(&mut self, piece: &[u8], using: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if self.partial.is_empty() {
            return (piece.len() <= MAX_VALUE).then(|| using(piece));
        }
        self.store(piece);
        (self.partial.len() <= MAX_VALUE).then(|| using(&self.partial))
    }
}

/// Returns true if the text ends in an odd number of backslashes, which escape the next byte.
fn ends_in_escape(text: &[u8]) -> bool {
    matches!(text, [.., b'\\']) && text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Returns the byte at `at` and the bytes after it.
fn split(bytes: &[u8], at: usize) -> (u8, &[u8]) {
    let mut rest = bytes.get(at..).unwrap_or_default().iter();
    let byte = rest.next().copied().unwrap_or_default();
    (byte, rest.as_slice())
}
