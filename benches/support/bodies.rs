//! Request bodies of the kinds that apps send, made up from nothing: the same ones for every benchmark.

use serde_json::{Value, json};

/// The name of a body, and the body.
pub(crate) type Named = (&'static str, Vec<u8>);

/// One of each kind.
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

/// A short question.
pub(crate) fn chat() -> Vec<u8> {
    conversation(1, &text(620))
}

/// A long conversation: turns of some 900 bytes, with line breaks, quotes and code in them.
pub(crate) fn history() -> Vec<u8> {
    conversation(215, &text(880))
}

/// The tools of a coding agent: nothing but short keys and short values.
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

/// Text of three bytes a character.
fn chinese() -> Vec<u8> {
    let paragraph = "调用者的身份由代理写入请求，客户端自己写的标识会被移除。响应按原样返回，一个字节也不改变。\n";
    conversation(215, &paragraph.repeat(7))
}

/// The same as some clients send it: everything beyond ASCII as `\u` escapes.
fn escaped() -> Vec<u8> {
    let body =
        String::from_utf8(conversation(108, &"调用者的身份由代理写入请求，客户端自己写的标识会被移除。".repeat(11)));
    let escape = |character: char| match character {
        character if character.is_ascii() => character.to_string(),
        character => format!("\\u{:04x}", u32::from(character)),
    };
    body.unwrap_or_default().chars().map(escape).collect::<String>().into_bytes()
}

/// A picture within a message.
pub(crate) fn image() -> Vec<u8> {
    // Looks as random as base64 does; a fixed generator, so that every run has the same.
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

/// About `length` bytes of prose and code.
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

/// A chat request as an SDK sends it, with a client's own identifiers in it.
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
