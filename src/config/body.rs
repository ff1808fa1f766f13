//! What happens to bodies: how large, what is held, what is removed or blanked.

use super::reader::{Reader, Recorded};
use super::values;

/// A held body waits in memory and takes permits of a 32-bit semaphore, so neither size may be more.
const MOST_HELD_BYTES: u32 = 1 << 30;
/// Beyond any upload that an inference request carries; keeps sums of sizes far from an overflow.
const LARGEST_BODY_BYTES: u64 = 1 << 40;

/// Settings of request and response bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bodies {
    /// `CALLSIGN_MAX_BODY_BYTES`; a larger request body is 413.
    pub max_bytes: u64,
    /// `CALLSIGN_HOLD_BODY_BYTES`, at most [`Bodies::max_bytes`]; 0 streams every body.
    pub hold_bytes: usize,
    /// `CALLSIGN_HOLD_TOTAL_BYTES`; 0 streams every body.
    pub hold_total_bytes: usize,
    /// `[body] remove`: further top-level names to remove.
    pub remove: Vec<String>,
    /// `CALLSIGN_PROMPT_CACHE_KEY`.
    pub prompt_cache_key: PromptCacheKey,
    /// `CALLSIGN_SERVER_TOOLS`.
    pub server_tools: ServerTools,
    /// `CALLSIGN_REDACT_ACCOUNT`: blank the operator's `user_id` in upstream error bodies.
    pub redact_account: bool,
}

/// What becomes of a client's `prompt_cache_key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptCacheKey {
    /// Replaced by a digest of it and the caller (contract, section 3, "Binding").
    #[default]
    Bind,
    /// Removed.
    Drop,
    /// Left as it is.
    Keep,
}

/// What becomes of requests for tools that reach the files and shells of the shared account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTools {
    /// They are answered with 403.
    #[default]
    Block,
    /// They pass.
    Allow,
}

impl Bodies {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let max_bytes = reader.required("max_body_bytes", values::number(1, LARGEST_BODY_BYTES));
        let hold_bytes = reader.required("hold_body_bytes", values::size(MOST_HELD_BYTES));
        let hold_total_bytes = reader.required("hold_total_bytes", values::size(MOST_HELD_BYTES));
        let remove = reader.list("body.remove", "body.remove", removable);
        let prompt_cache_key = reader.required(
            "prompt_cache_key",
            values::choice(&[
                ("bind", PromptCacheKey::Bind),
                ("drop", PromptCacheKey::Drop),
                ("keep", PromptCacheKey::Keep),
            ]),
        );
        let server_tools = reader
            .required("server_tools", values::choice(&[("block", ServerTools::Block), ("allow", ServerTools::Allow)]));
        let redact_account = reader.required("redact_account", values::switch);
        let (max_bytes, mut hold_bytes) = (max_bytes?, hold_bytes?);
        if hold_bytes as u64 > max_bytes {
            if reader.is_set("hold_body_bytes") {
                return reader.refuse(
                    reader.place("hold_body_bytes"),
                    "is more than CALLSIGN_MAX_BODY_BYTES, so that no body would ever be that large; lower it",
                );
            }
            // A default must not make an error out of a low limit.
            hold_bytes = usize::try_from(max_bytes).unwrap_or(hold_bytes);
        }
        Ok(Self {
            max_bytes,
            hold_bytes,
            hold_total_bytes: hold_total_bytes?,
            remove: remove?,
            prompt_cache_key: prompt_cache_key?,
            server_tools: server_tools?,
            redact_account: redact_account?,
        })
    }
}

/// Members without which no inference request means anything.
const NEEDED: [&str; 4] = ["model", "messages", "input", "prompt"];

fn removable(name: &str) -> Result<String, &'static str> {
    if NEEDED.contains(&name) {
        return Err("would remove what every request needs");
    }
    if name == "prompt_cache_key" {
        return Err("has a setting of its own, CALLSIGN_PROMPT_CACHE_KEY");
    }
    // The scanner keeps a key back until it cannot be an owned one; that must stay short.
    if name.len() > 256 {
        return Err("is longer than 256 bytes");
    }
    values::name(name)
}
