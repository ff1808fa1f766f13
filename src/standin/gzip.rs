//! gzip without compression: stored blocks (RFC 1951, section 3.2.4) in a gzip member (RFC 1952).
//!
//! The stand-in only has to send bytes that a client must decode, not to save any.

use bytes::{BufMut, Bytes, BytesMut};

/// Member header: deflate, no name, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// One gzip member that is written piece by piece.
#[derive(Debug, Default)]
pub(super) struct Gzip {
    crc: crc32fast::Hasher,
    length: u32,
    begun: bool,
}

impl Gzip {
    /// The encoded form of a further piece; it can be decoded at once.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(bytes.len() + HEADER.len() + 5);
        if !std::mem::replace(&mut self.begun, true) {
            out.put_slice(&HEADER);
        }
        for piece in bytes.chunks(usize::from(u16::MAX)) {
            stored(&mut out, piece, false);
            self.crc.update(piece);
            // RFC 1952: the size modulo 2^32; a piece fits into 16 bits.
            self.length = self.length.wrapping_add(u32::try_from(piece.len()).unwrap_or(0));
        }
        out.freeze()
    }

    /// The end of the member.
    pub(super) fn finish(self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER.len() + 13);
        if !self.begun {
            out.put_slice(&HEADER);
        }
        stored(&mut out, &[], true);
        out.put_u32_le(self.crc.finalize());
        out.put_u32_le(self.length);
        out.freeze()
    }
}

fn stored(out: &mut BytesMut, piece: &[u8], last: bool) {
    let length = u16::try_from(piece.len()).unwrap_or(0);
    out.put_u8(u8::from(last));
    out.put_u16_le(length);
    out.put_u16_le(!length);
    out.put_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_format_of_the_rfc() {
        let mut gzip = Gzip::default();
        let mut out = gzip.feed(b"hi").to_vec();
        out.extend_from_slice(&gzip.finish());
        // `python3 -c 'import gzip; print(gzip.decompress(bytes.fromhex("…")))'` prints b'hi'.
        let expected = "1f8b08000000000000ff000200fdff6869010000ffffac2a93d802000000";
        assert_eq!(data_encoding::HEXLOWER.encode(&out), expected);
    }
}
