//! What an answer says about itself, gathered once for everybody who wants it: the ledger, and whoever counts or keeps.
//!
//! Where nobody wants it nothing is looked at, and nothing costs anything.

use http::HeaderMap;

use callsign_core::endpoint::Inference;
use callsign_core::usage::generation;
use callsign_core::usage::reader::{ResponseUsage, UsageReader};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watch {
    wanted: Option<&'static Inference>,
    tap: Option<UsageReader>,
    generation: Option<String>,
}

impl Watch {
    /// Somebody wants to know what the answer of this endpoint says.
    pub(super) fn want(&mut self, endpoint: &'static Inference) {
        self.wanted = Some(endpoint);
    }

    /// The head of the upstream's answer has come; its generation id, if it has one.
    pub(super) fn answered(&mut self, headers: &HeaderMap) -> Option<&str> {
        self.tap = Some(UsageReader::new(self.wanted?, headers));
        self.generation = generation::id(headers).map(str::to_owned);
        self.generation.as_deref()
    }

    /// These bytes of the answer pass.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap.see(bytes);
        }
    }

    /// What was said, at the end. The head's word on the generation comes before the body's.
    pub(super) fn finish(&mut self) -> ResponseUsage {
        let seen = self.tap.take().map(UsageReader::finish).unwrap_or_default();
        ResponseUsage { generation: self.generation.take().or(seen.generation), ..seen }
    }
}
