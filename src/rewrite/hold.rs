//! What is held back between a comma and the decision about the member behind it.
//!
//! The comma belongs to the member that follows: it leaves only if a kept member came before and this one is kept too.
//! Within one incoming piece nothing is copied; what a piece's end cuts off is, and stays small: white space beyond
//! [`SPACE_CAP`] is let go (the comma then moves to its right end, the only byte that ever moves), and a key is decided
//! no later than at the owned names' cap.

use bytes::Bytes;

use super::output::Output;

/// White space that may wait for a key.
pub(super) const SPACE_CAP: usize = 4096;

/// The held bytes: some copied from earlier pieces, the rest still in the current one.
#[derive(Debug, Default)]
pub(super) struct Hold {
    copied: Vec<u8>,
    /// Where in the held bytes the key begins, once it has.
    key: Option<usize>,
}

impl Hold {
    /// Starts afresh, holding nothing.
    pub(super) fn clear(&mut self) {
        self.copied.clear();
        self.key = None;
    }

    /// A key begins: its opening quote is the last byte of `tail`, the held part of the current piece.
    /// Gives how much of `tail` was let go (white space over the cap).
    pub(super) fn begin_key(&mut self, piece: &Bytes, from: usize, quote: usize, out: &mut Output) -> usize {
        let from = if self.copied.len() + (quote - from) > SPACE_CAP {
            self.let_space_go(piece, from, quote, out)
        } else {
            from
        };
        self.key = Some(self.copied.len() + (quote - from));
        from
    }

    /// The piece ends while bytes are held: copies `piece[from..]`, or lets white space go.
    pub(super) fn carry(&mut self, piece: &Bytes, from: usize, out: &mut Output) {
        let end = piece.len();
        let from = if self.key.is_none() && self.copied.len() + (end - from) > SPACE_CAP {
            self.let_space_go(piece, from, end, out)
        } else {
            from
        };
        self.copied.extend_from_slice(piece.get(from..end).unwrap_or_default());
    }

    /// The raw key so far, from its opening quote on; `tail` is the held part of the current piece.
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

    /// Lets the held bytes out as they are, but for a comma that no kept member comes before.
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

    /// Overwrites the held bytes with spaces; `tail` of them are in the current piece.
    pub(super) fn blank(&mut self, tail: usize, out: &mut Output) {
        out.spaces(self.copied.len() + tail);
        self.clear();
    }

    /// How many bytes the key has so far.
    pub(super) fn key_length(&self, tail: usize) -> Option<usize> {
        self.key.map(|start| self.copied.len() + tail - start)
    }

    /// Lets the white space held so far go, up to `to` in the piece; a comma among it stays, at its right end.
    fn let_space_go(&mut self, piece: &Bytes, from: usize, to: usize, out: &mut Output) -> usize {
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

    /// Holds a comma and `copied - 1` spaces from earlier pieces.
    fn holding(copied: usize) -> (Hold, Output) {
        let (mut hold, mut out) = (Hold::default(), Output::default());
        if copied > 0 {
            let earlier = Bytes::from([b",".as_slice(), &vec![b' '; copied - 1]].concat());
            hold.carry(&earlier, 0, &mut out);
        }
        (hold, out)
    }

    #[test]
    fn white_space_up_to_the_cap_waits_and_beyond_it_goes_but_for_the_comma() {
        for (copied, here) in [(0, SPACE_CAP), (10, SPACE_CAP - 10), (SPACE_CAP, 0), (SPACE_CAP - 1, 1)] {
            for beyond in [0, 1, 7] {
                let here = here + beyond;
                let first: &[u8] = if copied == 0 { b"," } else { b" " };
                let text = [b"x", first, &vec![b' '; here], b"\"k\""].concat();
                // Behind what is not held there are `here` bytes of white space, the comma among them, before the key.
                let (piece, from) = (Bytes::from(text), 1);
                let quote = from + here;

                let (mut hold, mut out) = holding(copied);
                let held_from = hold.begin_key(&piece, from, quote, &mut out);
                let (kept, gone) = if beyond == 0 { (copied + here, 0) } else { (1, copied + here - 1) };
                assert_eq!(out.written(), gone as u64, "{copied} + {here}: a key begins");
                assert_eq!(hold.copied.len() + (quote - held_from), kept);
                assert_eq!(hold.key_length(quote + 3 - held_from), Some(3));

                let (mut hold, mut out) = holding(copied);
                hold.carry(&piece.slice(..quote), from, &mut out);
                assert_eq!(out.written(), gone as u64, "{copied} + {here}: the piece ends");
                assert_eq!((hold.copied.len(), hold.copied[0]), (kept, b','));
            }
        }
    }

    #[test]
    fn a_key_that_has_begun_is_carried_whatever_its_length() {
        let (mut hold, mut out) = holding(1);
        let piece = Bytes::from([b"\"", vec![b'k'; 2 * SPACE_CAP].as_slice()].concat());
        hold.begin_key(&piece, 0, 0, &mut out);
        hold.carry(&piece, 0, &mut out);
        assert_eq!((out.written(), hold.key_length(0)), (0, Some(piece.len())));
    }
}
