//! Buffers the bytes from a comma to the end of the next key, until the filter decides about that member.
//!
//! A comma belongs to the member after it: it is sent only if that member and an earlier one are kept. Bytes are copied
//! only when a piece ends. The copy stays small: white space beyond [`SPACE_CAP`] is released early, in which case the
//! comma moves to the end of that white space, and a key is decided at `ReservedFields::raw_cap` bytes at the latest.

use bytes::Bytes;

use super::output::Output;

/// The most white space, in bytes, that is buffered before a key.
pub(super) const SPACE_CAP: usize = 4096;

/// The pending bytes: some are copied from earlier pieces, the rest (the tail) is still in the current piece.
#[derive(Debug, Default)]
pub(super) struct PendingMember {
    copied: Vec<u8>,
    /// The offset of the key's opening quote in the pending bytes, once the key has begun.
    key: Option<usize>,
}

impl PendingMember {
    /// Drops all pending bytes.
    pub(super) fn clear(&mut self) {
        self.copied.clear();
        self.key = None;
    }

    /// Notes that a key begins at `piece[quote]`. The tail begins at `from`; returns its new beginning, which is
    /// `quote` if white space over the cap was released.
    pub(super) fn begin_key(&mut self, piece: &Bytes, from: usize, quote: usize, out: &mut Output) -> usize {
        let from = if self.copied.len() + (quote - from) > SPACE_CAP {
            self.release_space(piece, from, quote, out)
        } else {
            from
        };
        self.key = Some(self.copied.len() + (quote - from));
        from
    }

    /// Copies the tail `piece[from..]` at the end of a piece, or releases white space over the cap.
    pub(super) fn carry(&mut self, piece: &Bytes, from: usize, out: &mut Output) {
        let end = piece.len();
        let from = if self.key.is_none() && self.copied.len() + (end - from) > SPACE_CAP {
            self.release_space(piece, from, end, out)
        } else {
            from
        };
        self.copied.extend_from_slice(piece.get(from..end).unwrap_or_default());
    }

    /// Returns the raw key so far, from its opening quote on.
    pub(super) fn key<'a>(&self, tail: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let start = self.key.unwrap_or_default();
        if let Some(in_tail) = start.checked_sub(self.copied.len()) {
            return tail.get(in_tail..).unwrap_or_default();
        }
        scratch.clear();
        scratch.extend_from_slice(self.copied.get(start..).unwrap_or_default());
        scratch.extend_from_slice(tail);
        scratch
    }

    /// Sends the pending bytes unchanged, except that a comma without an earlier kept member becomes a space.
    pub(super) fn keep(&mut self, piece: &Bytes, from: usize, to: usize, kept_any: bool, out: &mut Output) {
        let tail = piece.get(from..to).unwrap_or_default();
        let first = self.copied.first().or(tail.first());
        let skip_comma = !kept_any && first == Some(&b',');
        let (copied, from) = match (skip_comma, self.copied.split_first()) {
            (false, _) => (self.copied.as_slice(), from),
            (true, Some((_, rest))) => (rest, from),
            (true, None) => (self.copied.as_slice(), from + 1),
        };
        if skip_comma {
            out.spaces(1);
        }
        out.copy(copied);
        out.slice(piece, from, to);
        self.clear();
    }

    /// Sends spaces in place of the pending bytes; `tail` is the length of the tail.
    pub(super) fn blank(&mut self, tail: usize, out: &mut Output) {
        out.spaces(self.copied.len() + tail);
        self.clear();
    }

    /// Returns the length of the raw key so far; `tail` is the length of the tail.
    pub(super) fn key_length(&self, tail: usize) -> Option<usize> {
        self.key.map(|start| self.copied.len() + tail - start)
    }

    /// Sends the pending white space up to `piece[to]`; a comma in front of it stays pending.
    fn release_space(&mut self, piece: &Bytes, from: usize, to: usize, out: &mut Output) -> usize {
        let comma_copied = self.copied.first() == Some(&b',');
        let comma_here = self.copied.is_empty() && piece.get(from) == Some(&b',');
        out.copy(self.copied.get(usize::from(comma_copied)..).unwrap_or_default());
        out.slice(piece, from + usize::from(comma_here), to);
        self.copied.clear();
        if comma_copied || comma_here {
            self.copied.push(b',');
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns pending bytes from earlier pieces: a comma and `copied - 1` spaces.
    fn with_copied(copied: usize) -> (PendingMember, Output) {
        let (mut pending, mut out) = (PendingMember::default(), Output::default());
        if copied > 0 {
            let earlier = Bytes::from([b",".as_slice(), &vec![b' '; copied - 1]].concat());
            pending.carry(&earlier, 0, &mut out);
        }
        (pending, out)
    }

    #[test]
    fn white_space_over_the_cap_is_released_without_its_comma() {
        for (copied, here) in [(0, SPACE_CAP), (10, SPACE_CAP - 10), (SPACE_CAP, 0), (SPACE_CAP - 1, 1)] {
            for beyond in [0, 1, 7] {
                let here = here + beyond;
                let first: &[u8] = if copied == 0 { b"," } else { b" " };
                let text = [b"x", first, &vec![b' '; here], b"\"k\""].concat();
                // After the first byte, which is not pending, `here` bytes of white space and comma precede the key.
                let (piece, from) = (Bytes::from(text), 1);
                let quote = from + here;

                let (mut pending, mut out) = with_copied(copied);
                let tail_from = pending.begin_key(&piece, from, quote, &mut out);
                let (kept, gone) = if beyond == 0 { (copied + here, 0) } else { (1, copied + here - 1) };
                assert_eq!(out.written(), gone as u64, "{copied} + {here}: a key begins");
                assert_eq!(pending.copied.len() + (quote - tail_from), kept);
                assert_eq!(pending.key_length(quote + 3 - tail_from), Some(3));

                let (mut pending, mut out) = with_copied(copied);
                pending.carry(&piece.slice(..quote), from, &mut out);
                assert_eq!(out.written(), gone as u64, "{copied} + {here}: the piece ends");
                assert_eq!((pending.copied.len(), pending.copied[0]), (kept, b','));
            }
        }
    }

    #[test]
    fn a_key_is_copied_at_any_length() {
        let (mut pending, mut out) = with_copied(1);
        let piece = Bytes::from([b"\"", vec![b'k'; 2 * SPACE_CAP].as_slice()].concat());
        pending.begin_key(&piece, 0, 0, &mut out);
        pending.carry(&piece, 0, &mut out);
        assert_eq!((out.written(), pending.key_length(0)), (0, Some(piece.len())));
    }
}
