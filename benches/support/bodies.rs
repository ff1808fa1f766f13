//! Generated request bodies like those of apps. Every benchmark uses the same ones.

use serde_json::{Value, json};

/// The name of a body and the body.
pub(crate) type Named = (&'static str, Vec<u8>);

/// Returns one body of each kind.
pub(crate) fn all() -> Vec<Named> {
    vec![
        ("1 KB chat", chat()),
        ("200 KB history", history()),
        ("60 KB tool schemas", tools()),
        ("200 KB Chinese", chinese()),
        ("200 KB escaped", escaped()),
        ("8 MB image", image()),
    ]
}

/// Returns a short question.
pub(crate) fn chat() -> Vec<u8> {
    conversation(1, &text(620))
}

/// Returns a long conversation: turns of about 900 bytes with line breaks, quotes and code.
pub(crate) fn history() -> Vec<u8> {
    conversation(215, &text(880))
}

/// Returns the tools of a coding agent: many short keys and values.
fn tools() -> Vec<u8> {
    let tool = |number: usize| {
        let property = |name: &str| {
            (
                name.to_owned(),
                json!({"type": "string", "description": "The absolute path of the file", "minLength": 1, "nullable": false}),
            )
        };
        let properties: serde_json::Map<_, _> =
            ["path", "old_string", "new_string", "mode", "limit", "offset"].into_iter().map(property).collect();
        json!({"type": "function", "function": {
            "name": format!("tool_{number}"), "description": "Changes a file in place.", "strict": true,
            "parameters": {"type": "object", "properties": properties, "required": ["path", "mode"],
                           "additionalProperties": false}}})
    };
    let tools: Vec<Value> = (0..68).map(tool).collect();
    body(&json!([{"role": "user", "content": "Go on."}]), Some(Value::Array(tools)))
}

/// Returns a conversation with three bytes per character.
fn chinese() -> Vec<u8> {
    let paragraph = "调用者的身份由代理写入请求，客户端自己写的标识会被移除。响应按原样返回，一个字节也不改变。\n";
    conversation(215, &paragraph.repeat(7))
}

/// Returns a conversation with `\u` escapes for all non-ASCII characters, as some clients send it.
fn escaped() -> Vec<u8> {
    let body =
        String::from_utf8(conversation(108, &"调用者的身份由代理写入请求，客户端自己写的标识会被移除。".repeat(11)));
    let escape = |character: char| match character {
        character if character.is_ascii() => character.to_string(),
        character => format!("\\u{:04x}", u32::from(character)),
    };
    body.unwrap_or_default().chars().map(escape).collect::<String>().into_bytes()
}

/// Returns a message with an image.
pub(crate) fn image() -> Vec<u8> {
    // Pseudo-random bytes from a fixed seed (xorshift), so that every run has the same image.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let bytes: Vec<u8> = (0..6 * 1024 * 1024 / 8).flat_map(|_| next().to_le_bytes()).collect();
    let url = format!("data:image/png;base64,{}", data_encoding::BASE64.encode(&bytes));
    let parts = json!([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]);
    body(&json!([{"role": "user", "content": parts}]), None)
}

/// Returns `length` characters of prose and code.
fn text(length: usize) -> String {
    const PROSE: &str = "The proxy stands between the apps and the one account that all of them share, and tells OpenRouter \
                         on whose behalf each request is made.\n\n```rust\nlet caller = \"alice\";\n```\nThen it goes on. ";
    PROSE.chars().cycle().take(length).collect()
}

fn conversation(turns: usize, text: &str) -> Vec<u8> {
    let turn =
        |number: usize| json!({"role": if number.is_multiple_of(2) { "user" } else { "assistant" }, "content": text});
    body(&Value::Array((0..turns).map(turn).collect()), None)
}

/// Returns a chat request as an SDK sends it, with identifiers of the client.
fn body(messages: &Value, tools: Option<Value>) -> Vec<u8> {
    let mut body = json!({
        "model": "openai/gpt-4o-mini", "user": "somebody-else", "metadata": {"user_id": "somebody-else"},
        "temperature": 0.7, "messages": messages,
    });
    if let (Some(tools), Some(members)) = (tools, body.as_object_mut()) {
        members.insert("tools".to_owned(), tools);
    }
    serde_json::to_vec(&body).unwrap_or_default()
}
