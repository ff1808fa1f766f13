//! The workloads: requests with bodies of the size of chats, histories and images, and the kind of their responses.

use crate::bodies;

/// The app's key. nginx and HAProxy ignore it.
pub(crate) const KEY: &str = "sk-cs-benchmark-key-000000000000";

/// One kind of request.
#[derive(Clone)]
pub(crate) struct Workload {
    /// Its name in the table.
    pub(crate) name: &'static str,
    body: Vec<u8>,
    /// The kind of response that the upstream sends.
    pub(crate) answer: Answer,
    /// Number of concurrent connections.
    pub(crate) connections: usize,
}

/// The kind of an upstream response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// About a kilobyte of JSON.
    Json,
    /// A stream of 200 chunks without pauses.
    Burst,
    /// A stream of 40 chunks, one every 25 ms.
    Paced,
}

impl Workload {
    /// Returns the workloads of the closed loop.
    pub(crate) fn closed() -> Vec<Self> {
        vec![
            Self::chat(32),
            Self::new("200 KB history", bodies::history(), Answer::Json, 32),
            Self::image(8),
            Self::new("SSE burst of 200 chunks", bodies::chat(), Answer::Burst, 32),
            Self::new("200 paced streams of 40 chunks", bodies::chat(), Answer::Paced, 200),
        ]
    }

    /// Returns requests with a short question.
    pub(crate) fn chat(connections: usize) -> Self {
        Self::new("1 KB chat", bodies::chat(), Answer::Json, connections)
    }

    /// Returns requests with an image.
    pub(crate) fn image(connections: usize) -> Self {
        Self::new("8 MB image", bodies::image(), Answer::Json, connections)
    }

    /// Returns requests for paced streams.
    pub(crate) fn streams(connections: usize) -> Self {
        Self::new("paced streams", bodies::chat(), Answer::Paced, connections)
    }

    fn new(name: &'static str, body: Vec<u8>, answer: Answer, connections: usize) -> Self {
        Self { name, body, answer, connections }
    }

    /// Returns the request, head and body, with this bearer credential and these additional header lines.
    pub(crate) fn request(&self, credential: &str, headers: &str) -> Vec<u8> {
        let accept = match self.answer {
            Answer::Json => "application/json",
            Answer::Burst => "text/event-stream",
            Answer::Paced => "text/event-stream;paced",
        };
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {credential}\r\naccept: {accept}\r\n\
             user-agent: OpenAI/Python 3.54.0\r\nx-stainless-lang: python\r\nx-user-id: user_2N4ZuACdqJrGGgz5c2egqQnwZaN\r\n\
             x-session-id: sess_1\r\nx-chat-id: chat_1\r\nx-message-id: msg_1\r\ncontent-type: application/json\r\n\
             {headers}content-length: {}\r\n\r\n",
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }
}
