//! Parses the settings of bodies: maximum size, buffering, members to remove or blank.

use super::reader::{Reader, Reported};
use super::values;
use callsign_core::rewrite::LONGEST_TYPE;
use callsign_gateway::proxy::settings::{Bodies, OnClientGone, PromptCacheKey, ServerTools};

/// Maximum of both buffer sizes in bytes. Buffered bytes are permits of a semaphore, counted in 32 bits.
const MOST_BUFFERED_BYTES: u32 = 1 << 30;
/// Maximum of `max_body_bytes`: larger than any inference request, small enough that sums cannot overflow.
const LARGEST_BODY_BYTES: u64 = 1 << 40;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Bodies, Reported> {
    let max_bytes = reader.required("max_body_bytes", values::number(1, LARGEST_BODY_BYTES));
    let buffer_bytes = reader.required("buffer_body_bytes", values::size(MOST_BUFFERED_BYTES));
    let buffer_total_bytes = reader.required("buffer_total_bytes", values::size(MOST_BUFFERED_BYTES));
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
    let server_tools_allowed = reader.list("server_tools_allowed", "server_tools_allowed", tool_type);
    let redact_account = reader.required("redact_account", values::switch);
    let on_client_gone = reader
        .required("on_client_gone", values::choice(&[("auto", OnClientGone::Auto), ("cancel", OnClientGone::Cancel)]));
    let (max_bytes, mut buffer_bytes) = (max_bytes?, buffer_bytes?);
    if buffer_bytes as u64 > max_bytes {
        if reader.is_set("buffer_body_bytes") {
            return reader.refuse(
                reader.place("buffer_body_bytes"),
                "is more than CALLSIGN_MAX_BODY_BYTES; lower it to at most that",
            );
        }
        // The default is larger than a low CALLSIGN_MAX_BODY_BYTES, which must not be an error.
        buffer_bytes = usize::try_from(max_bytes).unwrap_or(buffer_bytes);
    }
    Ok(Bodies {
        max_bytes,
        buffer_bytes,
        buffer_total_bytes: buffer_total_bytes?,
        remove: remove?,
        prompt_cache_key: prompt_cache_key?,
        server_tools: server_tools?,
        server_tools_allowed: server_tools_allowed?,
        redact_account: redact_account?,
        unowned_jobs: false,
        on_client_gone: on_client_gone?,
    })
}
/// Members that inference requests need.
const NEEDED: [&str; 4] = ["model", "messages", "input", "prompt"];

fn tool_type(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:.-".contains(&byte);
    if (1..=LONGEST_TYPE).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("expected the type of a tool, such as openrouter:bash: 1 to {LONGEST_TYPE} characters a-z 0-9 _ : . -"))
}

fn removable(name: &str) -> Result<String, &'static str> {
    if NEEDED.contains(&name) {
        return Err("is needed by requests; remove it from the list");
    }
    if name == "prompt_cache_key" {
        return Err("is set by CALLSIGN_PROMPT_CACHE_KEY=drop; remove it from the list");
    }
    // The scanner buffers a member's name until it differs from all reserved names, so these must stay short.
    if name.len() > 256 {
        return Err("is longer than 256 bytes; shorten it");
    }
    values::name(name)
}
