//! What is sent: bodies of the sizes that chats, histories and images have.

/// One kind of request.
#[derive(Clone)]
pub(crate) struct Workload {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// The whole request, head and body.
    pub(crate) request: Vec<u8>,
    /// Whether the answer is a stream.
    pub(crate) sse: bool,
    /// Connections that send it at the same time.
    pub(crate) connections: usize,
}

impl Workload {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let image = format!(
            r#"[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{}"}}}}]}}]"#,
            "iVBORw0KGgoAAAANSUhEUgAA".repeat(8 * 1024 * 1024 / 24)
        );
        vec![
            Self::new("1 KB chat", &history(1), false, 32),
            Self::new("200 KB history", &history(200), false, 32),
            Self::new("8 MB image", &image, false, 8),
            Self::new("SSE burst of 200 chunks", &history(1), true, 32),
        ]
    }

    fn new(name: &'static str, messages: &str, sse: bool, connections: usize) -> Self {
        let body = format!(
            r#"{{"model":"openai/gpt-4o-mini","user":"somebody-else","stream":{sse},"temperature":0.7,"messages":{messages}}}"#
        );
        let accept = if sse { "text/event-stream" } else { "application/json" };
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\naccept: {accept}\r\n\
             user-agent: OpenAI/Python 3.54.0\r\nx-stainless-lang: python\r\nx-user-id: user_2N4ZuACdqJrGGgz5c2egqQnwZaN\r\n\
             x-session-id: sess_1\r\nx-chat-id: chat_1\r\nx-message-id: msg_1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            super::peers::KEY,
            body.len()
        );
        Self { name, request: [head.into_bytes(), body.into_bytes()].concat(), sse, connections }
    }
}

/// About `kilobytes` of conversation.
fn history(kilobytes: usize) -> String {
    let turn =
        format!(r#"{{"role":"user","content":"{}"}}"#, "All work and no play makes Jack a dull boy.\\n".repeat(19));
    format!("[{}]", vec![turn; kilobytes].join(","))
}
