//! Walks a JSON text, in pieces of any size, and hands over the members that `shape` names.
//!
//! It keeps which objects that matter are open (five at most), a count of open containers that do not, and the one
//! name or value of up to [`MAX_VALUE`] bytes that a piece may have cut in two; never more of the text. What does not
//! matter is passed over several bytes at a time. It is no validator: a text that is no JSON tells nothing
//! or nonsense, but never panics, and tells the same at any split.

use super::near;
use super::shape::{Member, Scope};
use super::told::Accumulator;

/// The longest name or value that is taken, in bytes as written; a longer one counts as absent, since a cut one would
/// name something else.
const MAX_VALUE: usize = 256;
/// How deep the shapes go: the metadata of an error of a choice.
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
#[derive(Debug)]
pub(super) struct Members {
    state: State,
    /// The open objects and arrays that matter, the innermost last, and how many there are.
    scopes: [Scope; MAX_SCOPES],
    open: usize,
    /// The member whose value comes or is being read.
    member: Option<Member>,
    /// The beginning of a name or value that is not whole yet; one byte over [`MAX_VALUE`] if it is too long.
    begun: Vec<u8>,
    /// The last byte was a backslash that escapes the next.
    escaped: bool,
    /// The container that is passed over: whether it is an array, and how many of its kind are open.
    passed: (bool, u64),
}

impl Default for Members {
    fn default() -> Self {
        Self {
            state: State::Start,
            scopes: [Scope::Top; MAX_SCOPES],
            open: 0,
            member: None,
            begun: Vec::new(),
            escaped: false,
            passed: (false, 0),
        }
    }
}

impl Members {
    /// Begins anew.
    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.open = 0;
        self.begun.clear();
        self.escaped = false;
        self.passed.1 = 0;
    }

    /// How many bytes it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + self.begun.capacity()
    }

    /// Whether nothing more can come of this document.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Reads on. Returns true once: when the document's last brace was in `bytes`. What follows it is ignored.
    ///
    /// Each reader hands on to the one that mostly follows, so that a member takes one turn.
    pub(super) fn feed(&mut self, mut bytes: &[u8], told: &mut Accumulator) -> bool {
        if self.state == State::Start {
            bytes = self.start(bytes);
        }
        if self.state == State::Over {
            return false;
        }
        while !bytes.is_empty() && self.state != State::Over {
            bytes = match self.state {
                State::Object => self.object(bytes, told),
                State::Array => self.array(bytes),
                State::Name => self.name(bytes, told),
                State::Value => self.value(bytes, told),
                State::Text => self.text(bytes, told),
                State::Scalar => self.scalar(bytes, told),
                State::Passed => self.pass(bytes),
                State::PassedText => self.pass_text(bytes),
                State::Start | State::Over => &[],
            };
        }
        self.state == State::Over
    }

    /// OpenRouter keeps slow answers alive with white space; a byte order mark is nobody's business.
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
        self.rest();
    }

    fn leave(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.rest();
    }

    fn scope(&self) -> Option<Scope> {
        self.open.checked_sub(1).and_then(|innermost| self.scopes.get(innermost)).copied()
    }

    /// Goes on in the innermost container that matters.
    fn rest(&mut self) {
        self.state = match self.scope() {
            None => State::Over,
            Some(Scope::Choices) => State::Array,
            Some(_) => State::Object,
        };
    }

    /// To the next name or the end; commas, white space and what does not matter are passed over.
    fn object<'a>(&mut self, bytes: &'a [u8], told: &mut Accumulator) -> &'a [u8] {
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
            return self.name(after, told);
        }
        self.leave();
        after
    }

    /// To the next element or the end; scalars are passed over.
    fn array<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(at) = bytes.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b']')) else { return &[] };
        let (byte, after) = split(bytes, at);
        match byte {
            b'"' => self.state = State::PassedText,
            b'{' => self.enter(Scope::Choice),
            b'[' => self.pass_over(true),
            _ => self.leave(),
        }
        after
    }

    fn name<'a>(&mut self, bytes: &'a [u8], told: &mut Accumulator) -> &'a [u8] {
        let (piece, after, ended) = self.until_quote(bytes);
        if !ended {
            self.begin(piece);
            return after;
        }
        let scope = self.scope().unwrap_or(Scope::Top);
        self.member = self.whole(piece, |name| Member::of(scope, name));
        self.begun.clear();
        self.state = State::Value;
        self.value(after, told)
    }

    fn value<'a>(&mut self, bytes: &'a [u8], told: &mut Accumulator) -> &'a [u8] {
        let blank = |byte: &u8| matches!(byte, b':' | b' ' | b'\t' | b'\r' | b'\n');
        let Some(at) = bytes.iter().position(|byte| !blank(byte)) else { return &[] };
        let (value, (byte, after)) = (bytes.get(at..).unwrap_or_default(), split(bytes, at));
        let member = self.member.unwrap_or(Member::Other);
        match byte {
            b'"' if member.wants_scalar() => {
                self.state = State::Text;
                return self.text(after, told);
            }
            b'"' => {
                self.state = State::PassedText;
                return self.pass_text(after);
            }
            b'{' => match member.object() {
                Some(scope) => {
                    told.enters(scope);
                    self.enter(scope);
                }
                None => self.pass_over(false),
            },
            b'[' => match member.array() {
                Some(Scope::Choices) => self.enter(Scope::Choices),
                // That it is there says all.
                Some(scope) => {
                    told.enters(scope);
                    self.pass_over(true);
                }
                None => self.pass_over(true),
            },
            // No value at all.
            b',' | b'}' | b']' => {
                self.rest();
                return value;
            }
            _ if member.wants_scalar() => {
                self.state = State::Scalar;
                return self.scalar(value, told);
            }
            _ => self.rest(),
        }
        after
    }

    fn text<'a>(&mut self, bytes: &'a [u8], told: &mut Accumulator) -> &'a [u8] {
        let (piece, after, ended) = self.until_quote(bytes);
        if ended {
            self.hand_over(piece, true, told);
        } else {
            self.begin(piece);
        }
        after
    }

    fn pass_text<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (_, after, ended) = self.until_quote(bytes);
        if ended && self.passed.1 > 0 {
            self.state = State::Passed;
        } else if ended {
            self.rest();
        }
        after
    }

    fn scalar<'a>(&mut self, bytes: &'a [u8], told: &mut Accumulator) -> &'a [u8] {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        let Some(end) = bytes.iter().position(ends) else {
            self.begin(bytes);
            return &[];
        };
        let (piece, after) = bytes.split_at(end);
        self.hand_over(piece, false, told);
        after
    }

    /// Gives the value that ends with `piece` away.
    fn hand_over(&mut self, piece: &[u8], quoted: bool, told: &mut Accumulator) {
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
        while let Some(at) = near::find3([b'"', open, close], rest) {
            let (byte, after) = split(rest, at);
            rest = after;
            if byte == b'"' {
                self.state = State::PassedText;
                rest = self.pass_text(rest);
                if self.state == State::PassedText {
                    return rest;
                }
                continue;
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

/// Whether a text ends in a backslash that escapes what follows: in an odd number of them.
fn ends_in_escape(text: &[u8]) -> bool {
    matches!(text, [.., b'\\']) && text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The byte at `at`, and what follows it.
fn split(bytes: &[u8], at: usize) -> (u8, &[u8]) {
    let mut rest = bytes.get(at..).unwrap_or_default().iter();
    let byte = rest.next().copied().unwrap_or_default();
    (byte, rest.as_slice())
}
