//! Reads server-sent events (the HTML standard, "Server-sent events").
//!
//! The `data:` lines of an event are one JSON text. The first few events count completely, because they name
//! generation, model and provider. Later events count only if they have a `usage` or an error, or end the stream. All
//! are read until one has output. After that each chunk is searched for the names of what counts first, and complete
//! events without them are skipped unread. An event that a chunk begins and does not end is read at once, so lines are
//! not buffered.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr2, memrchr2_iter};

use super::accumulator::Accumulator;
use super::failure::LastEvent;
use super::members::Members;
use super::seen::Seen;

/// Number of events that are read in search of the model.
const FIRST_EVENTS: u8 = 8;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";
/// The data of Chat Completions' last event.
const DONE: &[u8] = b"[DONE]";

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\""));
static LAST: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| [Finder::new(DONE), Finder::new(b"\"response\""), Finder::new(b"\"message_stop\"")]);

/// The position within a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// After this number of bytes of `data:`.
    Name(u8),
    /// After `data:`.
    Data,
    /// In a line of another name, or a comment.
    Other,
}

/// The progress towards the end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The event that ends the stream has not come.
    Open,
    /// The event that ends the stream has been read, except the end of its line.
    InLine,
    /// The line of the event that ends the stream has ended.
    Whole,
}

/// The reader of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    line: Line,
    /// Number of bytes of a byte order mark that were read; 3 once no mark can follow.
    mark: usize,
    /// True if the last byte was a CR. An LF after it does not end another line.
    after_cr: bool,
    /// True if no line of the next event has been read.
    between_events: bool,
    /// Number of the first events that are still to be read completely.
    first: u8,
    /// The event that ends this stream.
    last: LastEvent,
    /// Number of bytes of [`DONE`] that the current line begins with; `None` if it begins with something else.
    done: Option<usize>,
    end: End,
    document: Members,
    /// The values of the current event.
    event: Accumulator,
    /// The values of all counted events.
    total: Accumulator,
}

impl Stream {
    /// Creates the reader of a stream that ends with this event.
    pub(super) fn new(last: LastEvent) -> Self {
        Self {
            line: Line::Name(0),
            mark: 0,
            after_cr: false,
            between_events: true,
            first: FIRST_EVENTS,
            last,
            done: None,
            end: End::Open,
            document: Members::default(),
            event: Accumulator::default(),
            total: Accumulator::default(),
        }
    }

    /// Reads the next bytes of the body.
    pub(super) fn see(&mut self, chunk: &[u8]) -> Seen {
        let had_output = self.total.has_output();
        let mut final_at = None;
        let mut rest = self.skip_mark(chunk);
        let mut candidates = Candidates::default();
        while let Some((&byte, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                rest = after;
                continue;
            }
            if self.first == 0 && self.total.has_output() && self.between_events && self.line == Line::Name(0) {
                let unread = candidates.distance(rest, self.last);
                let start = last_event_start(rest.get(..unread).unwrap_or_default());
                rest = rest.get(start..).unwrap_or_default();
            }
            let was_whole = self.is_whole();
            rest = self.read_line(rest);
            if self.is_whole() && !was_whole {
                final_at = (chunk.len() - rest.len()).checked_sub(1);
            }
        }
        Seen { first_output: !had_output && self.total.has_output(), final_at }
    }

    /// Returns true if the line of the event that ends the stream has ended.
    pub(super) fn is_whole(&self) -> bool {
        self.end == End::Whole
    }

    /// Records the event that ends the stream. Only the first one counts.
    fn end_in_line(&mut self) {
        if self.end == End::Open {
            self.end = End::InLine;
        }
    }

    /// Returns the memory in use, in bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.document.memory() + self.event.memory() + self.total.memory()
    }

    /// Returns the values of all counted events.
    pub(super) fn into_accumulator(self) -> Accumulator {
        self.total
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

    /// Reads to the end of the line or chunk. Returns the bytes after it.
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
            if self.line == Line::Data {
                self.begin_data();
            }
        }
        if self.line != Line::Data {
            return;
        }
        self.match_done(bytes);
        if self.document.feed(bytes, &mut self.event).is_some() {
            self.count();
        }
    }

    /// Begins a line of data.
    fn begin_data(&mut self) {
        // The standard does not allow a second document in one event; it is read nevertheless.
        if self.document.is_over() {
            self.begin_document();
        }
        self.done = (self.last == LastEvent::Done && self.document.is_blank()).then_some(0);
    }

    /// Compares the line with `[DONE]`. Text after it is allowed, because clients allow it.
    fn match_done(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter();
        while let Some(done) = self.done
            && let Some(byte) = bytes.next()
        {
            self.done = match DONE.get(done) {
                Some(expected) if expected == byte => Some(done + 1),
                Some(_) if done == 0 && is_blank(*byte) => Some(0),
                _ => None,
            };
            if self.done == Some(DONE.len()) {
                self.end_in_line();
            }
        }
    }

    fn end_line(&mut self) {
        match self.line {
            Line::Name(0) => {
                self.between_events = true;
                self.begin_document();
            }
            // The standard joins the lines of an event with LF.
            Line::Data => {
                self.document.feed(b"\n", &mut self.event);
                if self.end == End::InLine {
                    self.end = End::Whole;
                }
            }
            Line::Name(_) | Line::Other => {}
        }
        self.line = Line::Name(0);
    }

    fn begin_document(&mut self) {
        self.document.reset();
        self.event.clear();
    }

    /// Counts a complete document, if it matters.
    fn count(&mut self) {
        if self.event.ends_stream(self.last) {
            self.end_in_line();
        }
        if !self.total.has_output() && self.event.has_output() {
            self.total.output();
        }
        if self.first > 0 {
            self.first = if self.event.has_model() { 0 } else { self.first - 1 };
        } else if !self.event.matters() {
            return;
        }
        self.total.absorb(&mut self.event);
    }
}

/// The next positions in a chunk at which something that counts can be, from the chunk's end; `None` before the first
/// search. Each name is searched for once in the whole chunk.
#[derive(Debug, Default)]
struct Candidates {
    usage: Option<usize>,
    error: Option<usize>,
    last: Option<usize>,
}

impl Candidates {
    /// Returns the distance to the next candidate, or to the end of the chunk.
    fn distance(&mut self, rest: &[u8], last: LastEvent) -> usize {
        let usage = ahead(&mut self.usage, &USAGE, may_be_usage, rest);
        let error = ahead(&mut self.error, &ERROR, may_be_error, rest);
        let [done, response, message_stop] = &*LAST;
        let name = match last {
            LastEvent::Done => done,
            LastEvent::Response => response,
            LastEvent::MessageStop => message_stop,
        };
        usage.min(error).min(ahead(&mut self.last, name, |_, _| true, rest))
    }
}

/// Returns the distance to the next candidate of one name. `known` is the position of the last one that was found,
/// counted from the chunk's end. It is still ahead if it is within `rest`.
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

/// Returns true if `after`, the bytes after the name, can make it a `usage` that is not null. It must be true wherever
/// `members` would find one. `members` reads across line ends, so a line end counts as true here.
fn may_be_usage(_before: &[u8], after: &[u8]) -> bool {
    match skip_blanks(after) {
        [b':', value @ ..] => !matches!(skip_blanks(value), [b'n', ..]),
        // A text that is this word.
        [b',' | b'}' | b']', ..] => false,
        _ => true,
    }
}

/// Returns false if the word is the name of a member that is null. Every other `error` can be an error or the type of
/// an event.
fn may_be_error(before: &[u8], after: &[u8]) -> bool {
    let is_null = matches!(skip_blanks(after), [b':', value @ ..] if matches!(skip_blanks(value), [b'n', ..]));
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

/// Returns the position after the last blank line; 0 if there is none.
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
