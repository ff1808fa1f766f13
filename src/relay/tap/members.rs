//! Walks a JSON text, in pieces of any size, and hands over the members that `shape` names.
//!
//! It keeps the names of the open objects that matter (five at most), a count of open containers that do not, and the one
//! name or value of up to [`MAX_VALUE`] bytes that a piece may have cut in two; never more of the text. What does not
//! matter is passed over by `memchr`, at several bytes a cycle. It is no validator: a text that is no JSON tells nothing
//! or nonsense, but never panics, and tells the same at any split.

use memchr::{memchr2, memchr3};

use super::shape::{Member, Scope};
use super::told::Told;

/// The longest name or value that is taken, in bytes as written; a longer one counts as absent, since a cut one would
/// name something else.
const MAX_VALUE: usize = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the `{`.
    #[default]
    Start,
    /// In an object, before a name or the end.
    Object,
    /// In a name.
    Name,
    /// Behind a name, before or behind the colon.
    Value,
    /// In a text that is wanted.
    Text,
    /// In a number or literal that is wanted.
    Scalar,
    /// In an array that matters, before an element or the end.
    Array,
    /// In a container that does not matter.
    Passed,
    /// In a text that does not matter.
    PassedText,
    /// Behind the `}`, or in something that is no object.
    Over,
}

/// The walker.
#[derive(Debug, Default)]
pub(super) struct Members {
    state: State,
    /// The open objects and arrays that matter, the innermost last.
    scopes: Vec<Scope>,
    /// The member whose value comes or is being read.
    member: Option<Member>,
    /// The beginning of a name or value that is not whole yet; one byte over [`MAX_VALUE`] if it is too long.
    begun: Vec<u8>,
    /// The last byte was a backslash that escapes the next.
    escaped: bool,
    /// The container that is passed over: whether it is an array, and how many of its kind are open.
    passed: (bool, u64),
}

impl Members {
    /// Begins anew.
    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.scopes.clear();
        self.begun.clear();
        self.escaped = false;
        self.passed.1 = 0;
    }

    /// How many bytes it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + self.begun.capacity() + self.scopes.capacity()
    }

    /// Whether nothing more can come of this document.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Reads on. Returns true once: when the document's last brace was in `bytes`. What follows it is ignored.
    pub(super) fn feed(&mut self, mut bytes: &[u8], told: &mut Told) -> bool {
        while let Some((&byte, after)) = bytes.split_first() {
            let state = self.state;
            bytes = match state {
                State::Start => {
                    self.start(byte);
                    after
                }
                State::Object | State::Array => self.between(bytes),
                State::Name => self.name(bytes),
                State::Value => self.value(byte, bytes, after, told),
                State::Text | State::PassedText => self.text(bytes, told),
                State::Scalar => self.scalar(bytes, told),
                State::Passed => self.pass(bytes),
                State::Over => return false,
            };
            if self.state == State::Over {
                return state != State::Start;
            }
        }
        false
    }

    fn start(&mut self, byte: u8) {
        match byte {
            b'{' => self.enter(Scope::Top),
            // OpenRouter keeps slow answers alive with white space; a byte order mark is nobody's business.
            b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => {}
            _ => self.state = State::Over,
        }
    }

    fn enter(&mut self, scope: Scope) {
        self.scopes.push(scope);
        self.rest();
    }

    /// Goes on in the innermost container that matters.
    fn rest(&mut self) {
        self.state = match self.scopes.last() {
            None => State::Over,
            Some(Scope::Choices) => State::Array,
            Some(_) => State::Object,
        };
    }

    /// To the next name, element or end; commas, white space and what does not matter are passed over.
    fn between<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let in_array = self.state == State::Array;
        let matters = |byte: &u8| if in_array { b"\"{[]".contains(byte) } else { b"\"}".contains(byte) };
        let Some(at) = bytes.iter().position(matters) else { return &[] };
        let (byte, after) = split(bytes, at);
        match byte {
            b']' | b'}' => {
                self.scopes.pop();
                self.rest();
            }
            b'{' => self.enter(Scope::Choice),
            b'[' => self.pass_over(true),
            _ if in_array => self.state = State::PassedText,
            _ => self.state = State::Name,
        }
        after
    }

    fn name<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (piece, after, ended) = self.until_quote(bytes);
        if !ended {
            self.begin(piece);
            return after;
        }
        let scope = self.scopes.last().copied().unwrap_or(Scope::Top);
        self.member = self.whole(piece, |name| Member::of(scope, name));
        self.begun.clear();
        self.state = State::Value;
        after
    }

    fn value<'a>(&mut self, byte: u8, bytes: &'a [u8], after: &'a [u8], told: &mut Told) -> &'a [u8] {
        let member = self.member.unwrap_or(Member::Other);
        match byte {
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            b'"' => self.state = if member.wants_scalar() { State::Text } else { State::PassedText },
            b'{' => match member.object() {
                Some(scope) => {
                    told.enters(scope);
                    self.enter(scope);
                }
                None => self.pass_over(false),
            },
            b'[' => match member.array() {
                Some(scope) => self.enter(scope),
                None => self.pass_over(true),
            },
            b',' | b'}' | b']' => {
                // No value at all.
                self.rest();
                return bytes;
            }
            _ if member.wants_scalar() => {
                self.state = State::Scalar;
                return bytes;
            }
            _ => self.rest(),
        }
        after
    }

    fn text<'a>(&mut self, bytes: &'a [u8], told: &mut Told) -> &'a [u8] {
        let (piece, after, ended) = self.until_quote(bytes);
        let wanted = self.state == State::Text;
        match (wanted, ended) {
            (true, true) => self.hand_over(piece, true, told),
            (true, false) => self.begin(piece),
            (false, true) if self.passed.1 > 0 => self.state = State::Passed,
            (false, true) => self.rest(),
            (false, false) => {}
        }
        after
    }

    fn scalar<'a>(&mut self, bytes: &'a [u8], told: &mut Told) -> &'a [u8] {
        let Some(end) = bytes.iter().position(|byte| b",}] \t\r\n".contains(byte)) else {
            self.begin(bytes);
            return &[];
        };
        let (piece, after) = bytes.split_at(end);
        self.hand_over(piece, false, told);
        after
    }

    /// Gives the value that ends with `piece` away.
    fn hand_over(&mut self, piece: &[u8], quoted: bool, told: &mut Told) {
        let member = self.member.unwrap_or(Member::Other);
        self.whole(piece, |value| told.takes(member, value, quoted));
        self.begun.clear();
        self.rest();
    }

    fn pass_over(&mut self, array: bool) {
        self.passed = (array, 1);
        self.state = State::Passed;
    }

    /// Only the container's own kind is counted: in JSON the other kind is balanced within.
    fn pass<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (open, close) = if self.passed.0 { (b'[', b']') } else { (b'{', b'}') };
        let mut rest = bytes;
        while let Some(at) = memchr3(b'"', open, close, rest) {
            let (byte, after) = split(rest, at);
            rest = after;
            if byte == b'"' {
                self.state = State::PassedText;
                return rest;
            }
            if byte == open {
                self.passed.1 += 1;
                continue;
            }
            self.passed.1 -= 1;
            if self.passed.1 == 0 {
                self.rest();
                return rest;
            }
        }
        &[]
    }

    /// The text up to its closing quote (or as far as it goes), what follows, and whether it has ended.
    fn until_quote<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8], bool) {
        let mut at = usize::from(std::mem::take(&mut self.escaped));
        while let Some(found) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
            at += found;
            let (byte, after) = split(bytes, at);
            if byte == b'"' {
                return (bytes.get(..at).unwrap_or_default(), after, true);
            }
            at += 2;
        }
        self.escaped = at > bytes.len();
        (bytes, &[], false)
    }

    /// Keeps what a piece has of a name or value.
    fn begin(&mut self, piece: &[u8]) {
        let room = (MAX_VALUE + 1).saturating_sub(self.begun.len());
        self.begun.extend(piece.iter().take(room));
    }

    /// Uses the name or value that ends with `piece`, in place if it began there, unless it is too long.
    fn whole<T>(&mut self, piece: &[u8], using: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if self.begun.is_empty() {
            return (piece.len() <= MAX_VALUE).then(|| using(piece));
        }
        self.begin(piece);
        (self.begun.len() <= MAX_VALUE).then(|| using(&self.begun))
    }
}

/// The byte at `at`, and what follows it.
fn split(bytes: &[u8], at: usize) -> (u8, &[u8]) {
    let mut rest = bytes.get(at..).unwrap_or_default().iter();
    let byte = rest.next().copied().unwrap_or_default();
    (byte, rest.as_slice())
}
