//! The body rewrite: blank what the client must not say, append what is known, stream the rest untouched.
//!
//! Pure over bytes; nothing here knows HTTP bodies, sockets or where the appended members come from. A [`Filter`] is fed a
//! body piece by piece. Members of the outer object whose decoded name is owned are overwritten with spaces, what
//! callsign says is appended before the closing brace, and every other byte passes by reference, in its order: numbers,
//! key order, duplicates deeper down, lone surrogates, white space (contract, section 3, "Body fidelity").
//!
//! The outgoing length is incoming + [`Filter::reserve`], known before the first byte; memory is bounded by a constant,
//! whatever the body.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use callsign::rewrite::{Filter, Output, OwnedNames};
//!
//! let owned = Arc::new(OwnedNames::new(["user", "metadata"], None));
//! let mut filter = Filter::new(owned, r#""user":"acme_alice""#.to_owned());
//! let body = br#"{"user":"mallory","n":1.10}"#;
//! let announced = body.len() + filter.reserve();
//!
//! let mut out = Output::default();
//! filter.feed(&Bytes::from_static(&body[..9]), &mut out)?; // any split will do
//! filter.feed(&Bytes::from_static(&body[9..]), &mut out)?;
//! filter.finish()?;
//!
//! let sent: Vec<u8> = out.into_pieces().flatten().collect();
//! assert_eq!(sent, br#"{                 "n":1.10,"user":"acme_alice"}"#);
//! assert_eq!(sent.len(), announced);
//! # Ok::<(), callsign::rewrite::Rejected>(())
//! ```
#![forbid(unsafe_code)]

mod decode;
mod filter;
pub mod headers;
mod hold;
pub mod multipart;
mod names;
mod output;
mod rewriter;
mod scanner;
mod text;
mod tools;
mod utf8;

pub use filter::{Filter, Invalid};
pub use names::OwnedNames;
pub use output::Output;
pub use rewriter::{Rejected, Rewriter};
pub use scanner::{Fault, MAX_DEPTH};
pub use tools::SharedTool;
