//! Server-sent events: lines, events, and which of them are read (the HTML standard, "Server-sent events").
//!
//! An event's `data:` lines are one JSON text. Of the first few events all that they tell counts, for they name the
//! generation, model and provider; of later ones only those with a `usage` or an error. Most events have neither, so a
//! chunk is searched for the two names first, and whole events without them are passed over unread. An event that a
//! chunk begins and does not end is always read on the way, so no line is ever kept, however long it grows.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr2, memrchr2_iter};

use super::members::Members;
use super::told::Accumulator;

/// How many events are read in search of the model.
const FIRST_EVENTS: u8 = 8;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\""));

/// Where in a line the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Behind so many bytes of `data:`.
    Name(u8),
    /// Behind `data:`.
    Data,
    /// In a line of another name, or a comment.
    Other,
}

/// The reader of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    line: Line,
    /// How much of a byte order mark there was; 3 when there cannot be more.
    mark: usize,
    /// The last byte was a CR: an LF that follows ends no further line.
    after_cr: bool,
    /// No line of the event has been seen yet.
    between_events: bool,
    /// How many of the first events are still to be read whatever they hold.
    first: u8,
    document: Members,
    /// Of the event that is being read.
    event: Accumulator,
    /// Of all that counted.
    told: Accumulator,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            line: Line::Name(0),
            mark: 0,
            after_cr: false,
            between_events: true,
            first: FIRST_EVENTS,
            document: Members::default(),
            event: Accumulator::default(),
            told: Accumulator::default(),
        }
    }
}

impl Stream {
    /// Reads on.
    pub(super) fn see(&mut self, chunk: &[u8]) {
        let mut rest = self.skip_mark(chunk);
        let mut candidates = Candidates::default();
        while let Some((&byte, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                rest = after;
                continue;
            }
            if self.first == 0 && self.between_events && self.line == Line::Name(0) {
                let unread = candidates.distance(rest);
                let start = last_event_start(rest.get(..unread).unwrap_or_default());
                rest = rest.get(start..).unwrap_or_default();
            }
            rest = self.read_line(rest);
        }
    }

    /// How many bytes it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + self.document.held() + self.event.held() + self.told.held()
    }

    /// What was told.
    pub(super) fn into_told(self) -> Accumulator {
        self.told
    }

    fn skip_mark<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let mut rest = chunk;
        while let Some(expected) = BYTE_ORDER_MARK.get(self.mark)
            && let Some((byte, after)) = rest.split_first()
        {
            if byte != expected {
                self.mark = BYTE_ORDER_MARK.len();
                break;
            }
            self.mark += 1;
            rest = after;
        }
        rest
    }

    /// Reads to the end of the line, or as far as the chunk goes; returns what follows.
    fn read_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(end) = memchr2(b'\n', b'\r', bytes) else {
            self.read(bytes);
            return &[];
        };
        let (line, ending) = bytes.split_at(end);
        self.read(line);
        let (ends_with, after) = ending.split_at(1);
        self.after_cr = ends_with == b"\r";
        self.end_line();
        after
    }

    /// Reads a part of a line.
    fn read(&mut self, mut bytes: &[u8]) {
        while let Line::Name(known) = self.line
            && let Some((byte, after)) = bytes.split_first()
        {
            self.between_events = false;
            bytes = after;
            self.line = match DATA.get(usize::from(known)) {
                Some(expected) if expected == byte && usize::from(known) + 1 == DATA.len() => Line::Data,
                Some(expected) if expected == byte => Line::Name(known + 1),
                _ => Line::Other,
            };
            // A second document in one event is against the standard, and understood.
            if self.line == Line::Data && self.document.is_over() {
                self.begin_document();
            }
        }
        if self.line == Line::Data && self.document.feed(bytes, &mut self.event) {
            self.count();
        }
    }

    fn end_line(&mut self) {
        match self.line {
            Line::Name(0) => {
                self.between_events = true;
                self.begin_document();
            }
            // The standard joins an event's lines by LF.
            Line::Data => {
                self.document.feed(b"\n", &mut self.event);
            }
            Line::Name(_) | Line::Other => {}
        }
        self.line = Line::Name(0);
    }

    fn begin_document(&mut self) {
        self.document.reset();
        self.event.clear();
    }

    /// A document is whole.
    fn count(&mut self) {
        if self.first > 0 {
            self.first = if self.event.has_model() { 0 } else { self.first - 1 };
        } else if !self.event.matters() {
            return;
        }
        self.told.absorb(&mut self.event);
    }
}

/// Where the rest of a chunk may hold something that matters. Each name is searched for once over the whole chunk.
#[derive(Debug, Default)]
struct Candidates {
    usage: Option<usize>,
    error: Option<usize>,
}

impl Candidates {
    /// How far away the next one is, or the end of the chunk. Distances are kept from the chunk's end.
    fn distance(&mut self, rest: &[u8]) -> usize {
        let usage = ahead(&mut self.usage, &USAGE, may_be_usage, rest);
        usage.min(ahead(&mut self.error, &ERROR, may_be_error, rest))
    }
}

/// How far away the next candidate of one name is. `known` is what was left of the chunk from the last one on: it is
/// still ahead if that is no more than the rest.
fn ahead(known: &mut Option<usize>, name: &Finder<'_>, may_matter: fn(&[u8], &[u8]) -> bool, rest: &[u8]) -> usize {
    if let Some(left) = known.filter(|left| *left <= rest.len()) {
        return rest.len() - left;
    }
    let mut from = rest;
    let left = loop {
        let Some(at) = name.find(from) else { break 0 };
        let candidate = from.get(at..).unwrap_or_default();
        from = candidate.get(name.needle().len()..).unwrap_or_default();
        let before = rest.get(..rest.len() - candidate.len()).unwrap_or_default();
        if may_matter(before, from) {
            break candidate.len();
        }
    };
    *known = Some(left);
    rest.len() - left
}

/// Whether what follows the name may make it a `usage` that is not null. Must hold wherever `members` would find one,
/// which reads on over the ends of lines; here these are left undecided.
fn may_be_usage(_before: &[u8], behind: &[u8]) -> bool {
    match skip_blanks(behind) {
        [b':', value @ ..] => !matches!(skip_blanks(value), [b'n', ..]),
        // A text that happens to be this word.
        [b',' | b'}' | b']', ..] => false,
        _ => true,
    }
}

/// Likewise of an error. The word may be the type of an event, too, but not where only a name can stand.
fn may_be_error(before: &[u8], behind: &[u8]) -> bool {
    let is_null = matches!(skip_blanks(behind), [b':', value @ ..] if matches!(skip_blanks(value), [b'n', ..]));
    let is_name = matches!(before.iter().rfind(|byte| !is_blank(**byte)), Some(b',' | b'{'));
    !(is_null && is_name)
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| is_blank(**byte)).count();
    bytes.get(blanks..).unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The position behind the last blank line; 0 if there is none.
fn last_event_start(bytes: &[u8]) -> usize {
    let ends_event = |end: &usize| {
        let before = bytes.get(..*end).unwrap_or_default();
        let line = match bytes.get(*end) {
            Some(b'\n') => before.strip_suffix(b"\r").unwrap_or(before),
            _ => before,
        };
        matches!(line, [.., b'\n' | b'\r'])
    };
    memrchr2_iter(b'\n', b'\r', bytes).find(ends_event).map_or(0, |end| end + 1)
}
