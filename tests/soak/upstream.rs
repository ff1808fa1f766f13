//! The upstream: a raw HTTP/1.1 server that compares requests with their marks, and misbehaves on demand.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::json::members;
use crate::plan::{CANARY, CLAIM, OPERATOR_KEY, ROUTES, Says};
use crate::tally::Tally;

/// Events of a stream.
pub(crate) const EVENTS: usize = 6;
/// The pause before each piece of a slow answer.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest time until the upstream learns that a client has left.
const NOTICE: Duration = Duration::from_secs(5);

pub(crate) struct Upstream {
    port: u16,
    epoch: watch::Sender<u64>,
}

impl Upstream {
    pub(crate) async fn start(tally: Arc<Tally>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let epoch = watch::Sender::new(0);
        let epochs = epoch.clone();
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let (tally, mut over) = (Arc::clone(&tally), epochs.subscribe());
                over.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = over.changed() => {}
                        // Half of the faults break the connection.
                        _ = Connection { socket, seen: Vec::new(), tally }.serve() => {}
                    }
                });
            }
        });
        Self { port, epoch }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    /// Closes every connection that is open.
    pub(crate) fn hang_up(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }
}

struct Connection {
    socket: TcpStream,
    seen: Vec<u8>,
    tally: Arc<Tally>,
}

/// A complete request.
struct Arrived {
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Arrived {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn route(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.strip_prefix("/api/v1/").unwrap_or_default()
    }
}

impl Connection {
    async fn serve(mut self) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        loop {
            let mut arrived = self.request().await?;
            let (number, act, stream) = match open_form(&mut arrived).and_then(|()| read_mark(&arrived)) {
                Ok((number, who, act, stream)) => {
                    match verify(&arrived, number, &who) {
                        Ok(()) => self.tally.verified(),
                        Err(why) => self.tally.wrong(format!("request {number} to {}: {why}", arrived.target)),
                    }
                    (number, act, stream)
                }
                Err(why) => {
                    self.tally.wrong(format!("{}: {why}", arrived.target));
                    return Ok(());
                }
            };
            match act.as_deref() {
                Some("Refuses") => return Ok(()),
                Some("Garbles") => return self.socket.write_all(b"\x00\xffthis is no HTTP\r\n\r\n").await,
                act if stream => self.stream(number, act).await?,
                _ => self.answer(number).await?,
            }
        }
    }

    async fn answer(&mut self, number: u64) -> io::Result<()> {
        let body = json!({"number": number, "text": "x".repeat(200)}).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        self.socket.write_all((head + &body).as_bytes()).await
    }

    async fn stream(&mut self, number: u64, act: Option<&str>) -> io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        self.socket.write_all(head.as_bytes()).await?;
        for part in 0..EVENTS {
            if part == 2 && act == Some("Cuts") {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if part == 2 && act == Some("LeavesStream") {
                return self.await_leave(number).await;
            }
            if act == Some("Dawdles") {
                tokio::time::sleep(PAUSE).await;
            }
            let event = format!("data: {{\"number\":{number},\"part\":{part}}}\n\n");
            self.socket.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
        }
        let end = "data: [DONE]\n\n";
        self.socket.write_all(format!("{:x}\r\n{end}\r\n0\r\n\r\n", end.len()).as_bytes()).await
    }

    async fn await_leave(&mut self, number: u64) -> io::Result<()> {
        if tokio::time::timeout(NOTICE, self.more()).await.is_err() {
            self.tally.failed(format!("request {number} went on although its client had left"));
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.socket.read_buf(&mut self.seen).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn take_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.seen, end) {
                let rest = self.seen.split_off(at + end.len());
                let mut taken = std::mem::replace(&mut self.seen, rest);
                taken.truncate(at);
                return Ok(taken);
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.seen.len() < length {
            self.more().await?;
        }
        let rest = self.seen.split_off(length);
        Ok(std::mem::replace(&mut self.seen, rest))
    }

    async fn request(&mut self) -> io::Result<Arrived> {
        let head = String::from_utf8(self.take_until(b"\r\n\r\n").await?).map_err(io::Error::other)?;
        let mut lines = head.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut arrived = Arrived { target, headers, body: Vec::new() };
        if let Some(length) = arrived.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            arrived.body = self.take(length).await?;
        } else if arrived.header("transfer-encoding").is_some() {
            loop {
                let size = String::from_utf8(self.take_until(b"\r\n").await?).map_err(io::Error::other)?;
                let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
                let chunk = self.take(size + 2).await?;
                if size == 0 {
                    break;
                }
                arrived.body.extend_from_slice(&chunk[..size]);
            }
        }
        Ok(arrived)
    }
}

/// Replaces a form by its JSON part, with the parts that callsign has appended as further members.
fn open_form(arrived: &mut Arrived) -> Result<(), String> {
    let content_type = arrived.header("content-type").unwrap_or_default();
    let Some(boundary) = content_type.strip_prefix("multipart/form-data; boundary=") else { return Ok(()) };
    let head = |name: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    let form = std::str::from_utf8(&arrived.body).map_err(|error| error.to_string())?;
    let end = format!("\r\n--{boundary}--\r\n");
    let form = form.strip_suffix(&end).ok_or("a form without its end")?;
    let mut parts = form.strip_prefix(&head("json")).ok_or("another form than was meant")?;
    let mut members = String::new();
    for name in ["session_id", "user"] {
        let separator = format!("\r\n{}", head(name));
        if let Some((before, value)) = parts.rsplit_once(&separator) {
            members.insert_str(0, &format!(",{}:{}", Value::from(name), Value::from(value)));
            parts = before;
        }
    }
    let body = parts.strip_suffix('}').ok_or("another part than was meant")?;
    arrived.body = format!("{body}{members}}}").into_bytes();
    Ok(())
}

type Mark = (u64, Value, Option<String>, bool);

fn read_mark(arrived: &Arrived) -> Result<Mark, String> {
    if let Some((_, number)) = arrived.target.split_once("?mark=") {
        return Ok((number.parse().map_err(|_| "no number")?, Value::Null, None, false));
    }
    let body: Value = serde_json::from_slice(&arrived.body).map_err(|error| format!("no JSON: {error}"))?;
    let mark = &body["mark"];
    let number = mark["number"].as_u64().ok_or("no mark")?;
    Ok((number, mark["who"].clone(), mark["act"].as_str().map(str::to_owned), body["stream"] == true))
}

/// Returns the identifiers that must arrive for this caller: members of the body, and the session header.
fn expected(says: Says, who: &Value) -> (Map<String, Value>, Option<String>) {
    let text = |name: &str| who[name].as_str().map(str::to_owned);
    let mut metadata = Map::new();
    for (name, value) in
        [("user", "user_id"), ("session", "session_id"), ("chat", "chat_id"), ("message", "message_id")]
    {
        if let Some(found) = text(name).filter(|_| says != Says::Messages || name == "user") {
            metadata.insert(value.to_owned(), found.into());
        }
    }
    let mut body = Map::new();
    let in_body = matches!(says, Says::Chat | Says::Responses | Says::Messages);
    let is_media = matches!(says, Says::Embeddings | Says::Header);
    if in_body || is_media || says == Says::Body {
        body.extend(text("user").map(|user| ("user".to_owned(), user.into())));
        body.extend(text("session").map(|session| ("session_id".to_owned(), session.into())));
    }
    if in_body {
        body.insert("metadata".to_owned(), metadata.into());
    }
    if says == Says::Responses {
        body.extend(text("user").map(|user| ("safety_identifier".to_owned(), user.into())));
    }
    let header = text("session").filter(|_| is_media);
    (body, header)
}

fn verify(arrived: &Arrived, number: u64, who: &Value) -> Result<(), String> {
    let says = ROUTES.iter().find(|(route, _)| *route == arrived.route()).ok_or("not one of the endpoints")?.1;
    let (body, session) = expected(says, who);
    if arrived.header("x-session-id") != session.as_deref() {
        return Err(format!("session header {:?} instead of {session:?}", arrived.header("x-session-id")));
    }
    for (name, value) in &arrived.headers {
        if name == "authorization" {
            if value.strip_prefix("Bearer ") != Some(OPERATOR_KEY) {
                return Err("not paid with the operator's key".to_owned());
            }
        } else if value.contains(CANARY) || value.contains(CLAIM) {
            return Err(format!("{name}: {value}"));
        }
    }
    if arrived.headers.iter().filter(|(name, _)| name == "authorization").count() != 1 {
        return Err("not exactly one credential".to_owned());
    }
    if says == Says::Read {
        return if arrived.body.is_empty() { Ok(()) } else { Err("a read with a body".to_owned()) };
    }
    if memchr::memmem::find(&arrived.body, CLAIM.as_bytes()).is_some() {
        return Err("a claim of the client's got through".to_owned());
    }
    let mut said = Map::new();
    for (name, value) in members(&arrived.body) {
        match name.as_str() {
            "model" | "stream" | "mark" => {}
            "n" if value == "1.10" => {}
            "prompt" => intact(&value, number)?,
            _ => {
                let value = serde_json::from_str(&value).map_err(|error| error.to_string())?;
                if said.insert(name.clone(), value).is_some() {
                    return Err(format!("{name} twice"));
                }
            }
        }
    }
    if said == body { Ok(()) } else { Err(format!("{said:?} instead of {body:?}")) }
}

/// Checks that a prompt belongs to this request from beginning to end.
fn intact(prompt: &str, number: u64) -> Result<(), String> {
    let mut words = prompt.trim_matches('"').split_ascii_whitespace();
    let (canary, number) = (words.next(), number.to_string());
    if canary != Some(CANARY) {
        return Err("the prompt does not begin as it should".to_owned());
    }
    let mut words = words.skip(1).step_by(2);
    if words.all(|word| word == number) { Ok(()) } else { Err("another request's prompt".to_owned()) }
}
