//! The exit status of the program.

/// Exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Success,
    /// A check failed, the operation failed, or nothing was found.
    Failure,
    /// The configuration or the command line is invalid.
    Invalid,
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Invalid => 2,
        }
    }
}
