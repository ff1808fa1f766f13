//! The faults of the upstream and of clients, one for each exchange.

/// A fault. The name of a variant is what the request tells the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A whole answer with a length.
    Plain,
    /// A whole answer in chunks.
    Chunked,
    /// Chunks and trailers.
    Trailers,
    /// An answer without a body.
    Empty,
    /// Two interim answers before the answer.
    Interim,
    /// The answer byte by byte.
    Slow,
    /// An answer, then the end of the connection.
    ThenEof,
    /// An answer, and the end of the connection a moment later.
    LateEof,
    /// An answer that says `connection: close`, followed by a foreign answer.
    SaysClose,
    /// An answer of HTTP/1.0 that says `keep-alive`, followed by a foreign answer.
    OldVersion,
    /// An answer that ends with the connection.
    CloseDelimited,
    /// An answer and a foreign answer in one write.
    Trailing,
    /// Chunks and a foreign answer in one write.
    ChunkedTrailing,
    /// An answer and an empty line in one write.
    TrailingLine,
    /// An answer, then a foreign answer in a later write.
    TrailingLater,
    /// An answer, then a foreign answer while the connection is idle.
    WhileIdle,
    /// An answer, then half of a foreign answer while the connection is idle.
    HalfWhileIdle,
    /// The same length twice, and a foreign answer later.
    SameLengths,
    /// Two lengths.
    TwoLengths,
    /// Chunks that end before the length, which covers a foreign answer.
    ChunksAndLength,
    /// A foreign answer where a 204, 205 or 304 has no body.
    NoContent,
    ResetContent,
    NotModified,
    /// A foreign answer where the answer to HEAD has no body.
    Head,
    /// 101 and a foreign answer.
    Switches,
    /// Half a body, then the end.
    CutBody,
    /// Half a chunk, then the end.
    CutChunk,
    /// A chunk with a bad end, then a foreign answer.
    BadChunk,
    /// A head without a body, then the end.
    CloseAfterHead,
    /// Half a head, then the end.
    CutHead,
    /// No HTTP.
    Garbage,
    /// An answer before the upload has ended. The upload is read on.
    Early,
    /// An answer in chunks before the upload has ended, then a foreign answer.
    EarlyTrailing,
    /// An answer before the upload has ended, then a reset.
    EarlyReset,
    /// The client leaves before the answer.
    LeavesBefore,
    /// The client leaves within the answer, the rest of which follows.
    LeavesWithin,
    /// The client leaves within its upload.
    LeavesUpload,
}

use Fault::*;

/// All faults. The first ones are frequent, so that connections are used again.
pub(crate) const ALL: [Fault; 37] = [
    Plain,
    Chunked,
    Empty,
    Interim,
    Trailers,
    Slow,
    ThenEof,
    LateEof,
    SaysClose,
    OldVersion,
    CloseDelimited,
    Trailing,
    ChunkedTrailing,
    TrailingLine,
    TrailingLater,
    WhileIdle,
    HalfWhileIdle,
    SameLengths,
    TwoLengths,
    ChunksAndLength,
    NoContent,
    ResetContent,
    NotModified,
    Head,
    Switches,
    CutBody,
    CutChunk,
    BadChunk,
    CloseAfterHead,
    CutHead,
    Garbage,
    Early,
    EarlyTrailing,
    EarlyReset,
    LeavesBefore,
    LeavesWithin,
    LeavesUpload,
];

impl Fault {
    /// Chooses a fault: half of the exchanges go well.
    pub(crate) fn choose(dice: u64) -> Self {
        let number = usize::try_from(dice >> 8).unwrap_or_default();
        if dice & 1 == 0 { ALL[number % 3] } else { ALL[number % ALL.len()] }
    }

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Returns true if the request is a GET or HEAD.
    pub(crate) fn is_read(self) -> bool {
        matches!(self, NoContent | ResetContent | NotModified | Head | Interim | TrailingLine)
    }

    /// Returns true if the upstream acts when it has seen the beginning of the body.
    pub(crate) fn is_early(self) -> bool {
        matches!(self, Early | EarlyTrailing | EarlyReset | LeavesUpload)
    }

    /// Returns true if bytes follow that no client can tell from the answer to a request that it sends at the same
    /// time. Nobody else uses the account meanwhile, so that they surely arrive before the next request.
    pub(crate) fn is_alone(self) -> bool {
        matches!(self, TrailingLater | WhileIdle | HalfWhileIdle | SameLengths)
    }

    /// Returns true if the client must get the whole answer, apart from connections that close at the wrong moment.
    pub(crate) fn is_sound(self) -> bool {
        matches!(
            self,
            Plain
                | Chunked
                | Trailers
                | Empty
                | Interim
                | Slow
                | Trailing
                | ChunkedTrailing
                | TrailingLine
                | TrailingLater
                | WhileIdle
                | HalfWhileIdle
                | SameLengths
                | ThenEof
                | SaysClose
                | CloseDelimited
                | OldVersion
        )
    }
}
