//! Decodes a compressed request body as it arrives (RFC 9110, section 8.4).
//!
//! The decoded body is checked like any other body and sent on uncompressed. A decoder keeps a window of its output in
//! memory as long as the upload lasts, so each takes its share of a pool of memory ([`ContentCoding::memory`]).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use callsign_core::fair_pool::FairShare;
use futures_core::Stream;
use http_body::Body;
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{StreamReader, poll_read_buf};

use super::raw_upload::{RawUpload, UploadReadError};

/// The largest window of a zstd body, as a power of two: 8 MiB, the maximum of RFC 9659. The format itself allows
/// gigabytes.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes that are decoded at a time.
const CHUNK: usize = 16 * 1024;

/// A content coding that callsign decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCoding {
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

impl ContentCoding {
    /// Returns the most memory in bytes that a decoder takes: its window of output and its tables.
    pub fn memory(self) -> u64 {
        match self {
            Self::Gzip => 64 * 1024,
            Self::Zstd => (1 << ZSTD_WINDOW_LOG) + 512 * 1024,
            Self::Brotli => 16 * 1024 * 1024,
        }
    }

    /// Returns the coding with this name, in any case; `None` if callsign does not decode it.
    pub fn named(name: &[u8]) -> Option<Self> {
        let codings = [(&b"gzip"[..], Self::Gzip), (b"br", Self::Brotli), (b"zstd", Self::Zstd)];
        codings.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, coding)| coding)
    }
}

/// A body that is being decoded.
#[derive(Debug)]
pub(super) struct Decoded {
    decoder: Decoder,
    ended: bool,
    _memory: FairShare,
}

#[derive(Debug)]
enum Decoder {
    Gzip(GzipDecoder<Raw>),
    Brotli(BrotliDecoder<Raw>),
    Zstd(ZstdDecoder<Raw>),
}

type Raw = StreamReader<Pieces, Bytes>;

/// The compressed body, of which `left` more bytes are allowed.
#[derive(Debug)]
struct Pieces {
    upload: RawUpload,
    limit: u64,
    left: u64,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(frame) = ready!(Pin::new(&mut self.upload).poll_frame(cx)) else { return Poll::Ready(None) };
        let piece = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Poll::Ready(Some(Err(io::Error::other(error)))),
        };
        let left = self.left.checked_sub(piece.len() as u64);
        let too_large = UploadReadError::TooLarge { limit: self.limit };
        self.left = left.unwrap_or_default();
        Poll::Ready(Some(left.map(|_| piece).ok_or_else(|| io::Error::other(too_large))))
    }
}

impl Decoded {
    /// Decodes `upload`, which may have at most `limit` compressed bytes. `memory` is
    /// the decoder's share, returned on drop.
    pub(super) fn new(upload: RawUpload, coding: ContentCoding, limit: u64, memory: FairShare) -> Self {
        let raw = StreamReader::new(Pieces { upload, limit, left: limit });
        // A body may consist of several members or frames (RFC 1952, section 2.2; RFC 8878, section 3).
        let decoder = match coding {
            ContentCoding::Gzip => {
                let mut decoder = GzipDecoder::new(raw);
                decoder.multiple_members(true);
                Decoder::Gzip(decoder)
            }
            ContentCoding::Brotli => Decoder::Brotli(BrotliDecoder::new(raw)),
            ContentCoding::Zstd => {
                let mut decoder = ZstdDecoder::with_params(raw, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)]);
                decoder.multiple_members(true);
                Decoder::Zstd(decoder)
            }
        };
        Self { decoder, ended: false, _memory: memory }
    }

    /// Returns the next decoded bytes, or `None` at the end of the body.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadReadError>>> {
        let mut piece = BytesMut::with_capacity(CHUNK);
        let read = match &mut self.decoder {
            _ if self.ended => Poll::Ready(Ok(0)),
            Decoder::Gzip(decoder) => read(decoder, cx, &mut piece),
            Decoder::Brotli(decoder) => read(decoder, cx, &mut piece),
            Decoder::Zstd(decoder) => read(decoder, cx, &mut piece),
        };
        match ready!(read) {
            Ok(0) => {
                self.ended = true;
                // The decoder may have ended before the body; nothing may follow it.
                let rest = ready!(Pin::new(self.raw()).poll_fill_buf(cx));
                let whole = rest.map(<[u8]>::is_empty).map_err(|error| upload_error(&error));
                Poll::Ready(match whole {
                    Ok(true) => None,
                    Ok(false) => Some(Err(UploadReadError::InvalidContentEncoding)),
                    Err(error) => Some(Err(error)),
                })
            }
            Ok(_) => Poll::Ready(Some(Ok(piece.freeze()))),
            Err(error) => Poll::Ready(Some(Err(upload_error(&error)))),
        }
    }

    fn raw(&mut self) -> &mut Raw {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Brotli(decoder) => decoder.get_mut(),
            Decoder::Zstd(decoder) => decoder.get_mut(),
        }
    }

    /// Returns the unread rest of the compressed body.
    pub(super) fn into_raw(self) -> RawUpload {
        let raw = match self.decoder {
            Decoder::Gzip(decoder) => decoder.into_inner(),
            Decoder::Brotli(decoder) => decoder.into_inner(),
            Decoder::Zstd(decoder) => decoder.into_inner(),
        };
        raw.into_inner().upload
    }
}

fn read(decoder: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>, piece: &mut BytesMut) -> Poll<io::Result<usize>> {
    poll_read_buf(Pin::new(decoder), cx, piece)
}

/// Returns the upload's own error, or `InvalidContentEncoding` for an error of the decoder.
fn upload_error(error: &io::Error) -> UploadReadError {
    error.get_ref().and_then(|error| error.downcast_ref()).copied().unwrap_or(UploadReadError::InvalidContentEncoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_by_name() {
        for (name, coding) in [
            ("gzip", ContentCoding::Gzip),
            ("GZIP", ContentCoding::Gzip),
            ("br", ContentCoding::Brotli),
            ("zstd", ContentCoding::Zstd),
        ] {
            assert_eq!(ContentCoding::named(name.as_bytes()), Some(coding));
        }
        for name in ["", "deflate", "x-gzip", "compress", "gzip, br", "identity"] {
            assert_eq!(ContentCoding::named(name.as_bytes()), None, "{name}");
        }
    }
}
