//! The read buffer of a thread.
//!
//! A connection that waits needs no buffer. One that has something to read uses that of its thread, which stays in the
//! processor's cache.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// Maximum number of bytes that are read at once.
pub(crate) const MOST: usize = 32 * 1024;
/// Size from which bytes leave the buffer without being copied. The thread then needs a new buffer.
const LARGE: usize = 16 * 1024;

thread_local! {
    static BUFFER: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Reads at most `most` bytes and gives them to `take`: none at the end of the stream.
pub(crate) fn poll_read<S: AsyncRead + Unpin, T>(
    stream: &mut S,
    most: usize,
    cx: &mut Context<'_>,
    take: impl FnOnce(&mut BytesMut) -> T,
) -> Poll<io::Result<T>> {
    let mut buffer = BUFFER.take();
    buffer.clear();
    buffer.reserve(MOST);
    let read = poll_read_buf(Pin::new(stream), cx, &mut (&mut buffer).limit(most.min(MOST)));
    let read = read.map_ok(|_| take(&mut buffer));
    BUFFER.set(buffer);
    read
}

/// Takes the first `count` bytes of the buffer.
pub(crate) fn split(buffer: &mut BytesMut, count: usize) -> Bytes {
    if count >= LARGE { buffer.split_to(count).freeze() } else { Bytes::copy_from_slice(&buffer[..count]) }
}
