//! Rewrites request bodies: removes reserved fields, appends callsign's identifiers, passes everything else on.
//!
//! A [`Filter`] takes a JSON body in pieces of any size. It overwrites members of the outer object that have a reserved
//! name with spaces (docs/SPEC.md#removed-fields) and appends callsign's members before the closing brace. All other
//! bytes keep their values and their order (docs/SPEC.md#body-fidelity); only a comma beside a removed member may
//! change, see `pending_member.rs`. The outgoing length is the incoming length plus [`Filter::reserve`], so it is known
//! before the first byte leaves. The number of buffered bytes does not grow with the body.
//!
//! The code here works on bytes. It must not know HTTP bodies, sockets or the origin of the appended members.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use callsign_core::rewrite::{Filter, Output, ReservedFields};
//!
//! let reserved = Arc::new(ReservedFields::new(["user", "metadata"], None));
//! let mut filter = Filter::new(reserved, r#""user":"acme_alice""#.to_owned());
//! let body = br#"{"user":"mallory","n":1.10}"#;
//! let announced = body.len() + filter.reserve();
//!
//! let mut out = Output::default();
//! filter.feed(&Bytes::from_static(&body[..9]), &mut out)?; // Pieces may have any size.
//! filter.feed(&Bytes::from_static(&body[9..]), &mut out)?;
//! filter.finish()?;
//!
//! let sent: Vec<u8> = out.into_pieces().flatten().collect();
//! assert_eq!(sent, br#"{                 "n":1.10,"user":"acme_alice"}"#);
//! assert_eq!(sent.len(), announced);
//! # Ok::<(), callsign_core::rewrite::RewriteError>(())
//! ```
#![forbid(unsafe_code)]

mod decode;
mod error;
mod filter;
pub mod headers;
mod instructions;
pub mod multipart;
pub mod outer;
mod output;
mod pending_member;
mod raw_name;
mod reserved_fields;
mod rewriter;
mod scanner;
mod shared_tools;
mod text;
mod utf8;

pub use error::{JsonError, RewriteError};
pub use filter::Filter;
pub use instructions::Instructions;
pub use output::Output;
pub use reserved_fields::ReservedFields;
pub use rewriter::Rewriter;
pub use scanner::{JsonErrorKind, MAX_DEPTH};
pub use shared_tools::{LONGEST_TYPE, SharedToolError, SharedToolPolicy};
