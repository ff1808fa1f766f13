//! The workloads: requests with bodies of the size of chats, histories and images, and the kind of their responses.

use bytes::Bytes;
use http_body_util::Full;

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
    /// Number of concurrent connections; of streams for clients of HTTP/2.
    pub(crate) connections: usize,
    /// True if the clients use HTTP/2.
    pub(crate) http2: bool,
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
            Self { name: "1 KB chat, one at a time", ..Self::chat(1) },
            Self::new("200 KB history", bodies::history(), Answer::Json, 32),
            Self::image(8),
            Self::burst(),
            Self::new("200 paced streams of 40 chunks", bodies::chat(), Answer::Paced, 200),
        ]
    }

    /// Returns the workloads with TLS to the upstream.
    pub(crate) fn tls() -> [Self; 2] {
        [
            Self { name: "1 KB chat, TLS to the upstream", ..Self::chat(32) },
            Self { name: "SSE burst of 200 chunks, TLS to the upstream", ..Self::burst() },
        ]
    }

    /// Returns the workloads with clients of HTTP/2.
    pub(crate) fn http2() -> [Self; 2] {
        [
            Self { name: "1 KB chat, HTTP/2 from the client", http2: true, ..Self::chat(32) },
            Self { name: "SSE burst of 200 chunks, HTTP/2 from the client", http2: true, ..Self::burst() },
        ]
    }

    fn burst() -> Self {
        Self::new("SSE burst of 200 chunks", bodies::chat(), Answer::Burst, 32)
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
        Self { name, body, answer, connections, http2: false }
    }

    /// Returns the header fields of a request with this bearer credential.
    fn fields(&self, credential: &str) -> Vec<(&'static str, String)> {
        let accept = match self.answer {
            Answer::Json => "application/json",
            Answer::Burst => "text/event-stream",
            Answer::Paced => "text/event-stream;paced",
        };
        vec![
            ("authorization", format!("Bearer {credential}")),
            ("accept", accept.to_owned()),
            ("user-agent", "OpenAI/Python 3.54.0".to_owned()),
            ("x-stainless-lang", "python".to_owned()),
            ("x-user-id", "user_2N4ZuACdqJrGGgz5c2egqQnwZaN".to_owned()),
            ("x-session-id", "sess_1".to_owned()),
            ("x-chat-id", "chat_1".to_owned()),
            ("x-message-id", "msg_1".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("content-length", self.body.len().to_string()),
        ]
    }

    /// Returns the request, head and body, with this bearer credential and these additional header lines.
    pub(crate) fn request(&self, credential: &str, headers: &str) -> Vec<u8> {
        let fields = self.fields(credential).into_iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let fields: String = fields.collect();
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{headers}{fields}\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// Returns the same request for HTTP/2.
    pub(crate) fn http2_request(&self, credential: &str) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::post("http://localhost/v1/chat/completions");
        for (name, value) in self.fields(credential) {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone().into())).unwrap()
    }
}
