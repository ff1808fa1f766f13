//! A gzip encoder without compression: stored blocks (RFC 1951, section 3.2.4) in a gzip member (RFC 1952).
//!
//! The mock server needs bytes that a client must decode; they need not be smaller.

use bytes::{BufMut, Bytes, BytesMut};

/// The member header: deflate, no name, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// One gzip member that is written in pieces.
#[derive(Debug, Default)]
pub(super) struct Gzip {
    crc: crc32fast::Hasher,
    length: u32,
    begun: bool,
}

impl Gzip {
    /// Encodes a piece. A decoder can decode it without later pieces.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(bytes.len() + HEADER.len() + 5);
        if !std::mem::replace(&mut self.begun, true) {
            out.put_slice(&HEADER);
        }
        for piece in bytes.chunks(usize::from(u16::MAX)) {
            stored(&mut out, piece, false);
            self.crc.update(piece);
            // RFC 1952: the size modulo 2^32. A piece fits into 16 bits, so the conversion succeeds.
            self.length = self.length.wrapping_add(u32::try_from(piece.len()).unwrap_or(0));
        }
        out.freeze()
    }

    /// Returns the end of the member.
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
    fn writes_the_format_of_rfc_1952() {
        let mut gzip = Gzip::default();
        let mut out = gzip.feed(b"hi").to_vec();
        out.extend_from_slice(&gzip.finish());
        // `python3 -c 'import gzip; print(gzip.decompress(bytes.fromhex("…")))'` prints b'hi'.
        let expected = "1f8b08000000000000ff000200fdff6869010000ffffac2a93d802000000";
        assert_eq!(data_encoding::HEXLOWER.encode(&out), expected);
    }
}
