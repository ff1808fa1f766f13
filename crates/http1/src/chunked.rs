//! The chunked coding.

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Error;

/// Maximum size of the extensions of all chunks together in bytes.
const MOST_EXTENSIONS: usize = 16 * 1024;
/// Maximum size of the trailers in bytes.
const MOST_TRAILER_BYTES: usize = 16 * 1024;
/// Maximum number of trailers.
const MOST_TRAILERS: usize = 100;

/// The part of the encoding that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first digit of a size.
    Start,
    Size,
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A trailer, or the `\r` of the last line.
    EndCr,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// Reads a chunked body.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// The size of the chunk, less the bytes of it that were read.
    left: u64,
    extensions: usize,
    trailers: Option<Box<Trailers>>,
}

#[derive(Debug, Default)]
struct Trailers {
    bytes: BytesMut,
    count: usize,
}

/// The content of a piece.
pub(crate) struct Piece {
    /// Bytes of the body, now at the beginning of the piece.
    pub(crate) data: usize,
    /// Bytes that belong to the body or its coding.
    pub(crate) used: usize,
    /// An error after the data.
    pub(crate) error: Option<Error>,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { state: State::Start, left: 0, extensions: 0, trailers: None }
    }

    pub(crate) fn is_end(&self) -> bool {
        self.state == State::End
    }

    /// Reads the next piece, and moves the data in it to its beginning.
    pub(crate) fn read(&mut self, piece: &mut [u8]) -> Piece {
        let (mut data, mut used) = (0, 0);
        while used < piece.len() && self.state != State::End {
            if self.state == State::Data {
                let rest = piece.len() - used;
                let count = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                if data != used {
                    piece.copy_within(used..used + count, data);
                }
                data += count;
                used += count;
                self.left -= count as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            match self.step(piece[used]) {
                Ok(state) => self.state = state,
                Err(reason) => return Piece { data, used, error: Some(Error::Chunk(reason)) },
            }
            used += 1;
        }
        Piece { data, used, error: None }
    }

    /// Takes the trailers after the end.
    pub(crate) fn trailers(&mut self) -> Result<Option<HeaderMap>, Error> {
        self.trailers.take().map(|trailers| trailers.parse()).transpose()
    }

    fn step(&mut self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (State::Start, _) => Err("a size is missing"),
            (State::Size | State::SizeSpace, b'\t' | b' ') => Ok(State::SizeSpace),
            (State::Size | State::SizeSpace, b';') => Ok(State::Extension),
            (State::Size | State::SizeSpace | State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, byte) if byte != b'\n' => {
                self.extensions += 1;
                if self.extensions < MOST_EXTENSIONS { Ok(State::Extension) } else { Err("too many extensions") }
            }
            (State::SizeLf, b'\n') => Ok(if self.left == 0 { State::EndCr } else { State::Data }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Start),
            (State::EndCr, b'\r') => self.keep(byte, State::EndLf),
            (State::EndLf, b'\n') => self.keep(byte, State::End),
            (State::EndCr | State::Trailer, _) => {
                self.trailers.get_or_insert_default();
                self.keep(byte, if byte == b'\r' { State::TrailerLf } else { State::Trailer })
            }
            (State::TrailerLf, b'\n') => {
                let trailers = self.trailers.get_or_insert_default();
                trailers.count += 1;
                if trailers.count > MOST_TRAILERS { Err("too many trailers") } else { self.keep(byte, State::EndCr) }
            }
            _ => Err("a byte is out of place"),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, &'static str> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        let size = self.left.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
        self.left = size.ok_or("a size is too large")?;
        Ok(State::Size)
    }

    /// Keeps a byte of the trailers, if there are any.
    fn keep(&mut self, byte: u8, next: State) -> Result<State, &'static str> {
        if let Some(trailers) = &mut self.trailers {
            trailers.bytes.put_u8(byte);
            if trailers.bytes.len() >= MOST_TRAILER_BYTES {
                return Err("the trailers are too long");
            }
        }
        Ok(next)
    }
}

impl Trailers {
    fn parse(&self) -> Result<HeaderMap, Error> {
        let mut lines = vec![httparse::EMPTY_HEADER; self.count];
        let Ok(httparse::Status::Complete((_, lines))) = httparse::parse_headers(&self.bytes, &mut lines) else {
            return Err(Error::Chunk("the trailers are invalid"));
        };
        let mut trailers = HeaderMap::with_capacity(lines.len());
        for line in lines {
            let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(line.name.as_bytes()), HeaderValue::from_bytes(line.value))
            else {
                return Err(Error::Chunk("the trailers are invalid"));
            };
            trailers.append(name, value);
        }
        Ok(trailers)
    }
}
