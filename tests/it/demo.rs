//! `callsign serve --demo` as a process: the printed commands, the console and the removal of its data.

use http::{Method, StatusCode};

use crate::support::client;
use crate::support::program::{Server, callsign_beside};

/// The settings that would make the demo use the operator's state and keys.
const OPERATORS: [(&str, &str); 5] = [
    ("CALLSIGN_APP_KEY", "sk-cs-the-operators-own-app-key"),
    ("OPENROUTER_API_KEY", "sk-or-v1-the-operators-own-key"),
    ("CALLSIGN_CONFIG", "/nowhere/callsign.toml"),
    ("CALLSIGN_LEDGER", "postgres://nobody:nothing@127.0.0.1:1/ledger"),
    ("CALLSIGN_LIMIT_STORE", "redis://127.0.0.1:1"),
];

/// A running demo and the text that it printed.
struct Demo {
    server: Server,
    text: String,
    temporary: tempfile::TempDir,
}

impl Demo {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let place = [("TMPDIR", temporary.path().to_str().unwrap())];
        let mut server = Server::start("serve --demo", &[&place, variables].concat()).await;
        let mut text = String::new();
        while !text.contains("Ctrl-C") {
            text += &(server.line().await + "\n");
        }
        Self { server, text, temporary }
    }

    /// Returns the printed `curl` commands.
    fn commands(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.trim().strip_prefix("curl ")).collect()
    }

    /// Returns the word after `label` in the printed text.
    fn word(&self, label: &str) -> &str {
        let (_, rest) = self.text.split_once(label).unwrap_or_else(|| panic!("{label} in {}", self.text));
        rest.split_whitespace().next().unwrap()
    }

    /// Sends what a printed `curl` command sends, with other headers, and returns the text.
    async fn viewed(&self, command: &str, more: &[(&str, &str)]) -> String {
        let quoted: Vec<_> = command.split('\'').collect();
        let url = command.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("user-agent", "curl/8.14.1")];
        headers.extend(more);
        let mut body = String::new();
        for pair in quoted.chunks_exact(2) {
            match pair[0].trim_end().rsplit_once('-').unwrap().1 {
                "H" => headers.push(pair[1].split_once(": ").unwrap()),
                "d" => pair[1].clone_into(&mut body),
                option => panic!("{option}"),
            }
        }
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        let answer = client::request(method, url, &headers, body).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/plain; charset=utf-8"));
        answer.text()
    }
}

/// Returns the lines of a part of the viewer's text, with single blanks.
fn part<'t>(text: &'t str, title: &str) -> Vec<String> {
    let (_, rest) = text.split_once(&format!("{title}\n")).unwrap_or_else(|| panic!("{title} in {text}"));
    let lines: Vec<&'t str> = rest.lines().take_while(|line| line.starts_with(' ')).collect();
    lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn the_printed_commands_show_both_sides_and_the_person() {
    let demo = Demo::start(&OPERATORS).await;
    let [honest, spoofed] = demo.commands()[..] else { panic!("{}", demo.text) };

    let text = demo.viewed(honest, &[]).await;
    let sent = part(&text, "The app sent to callsign");
    assert_eq!(sent[..2], ["authorization the app's key", "x-user-id alice read by callsign, not sent on"]);
    let got = part(&text, "OpenRouter got from callsign");
    assert!(got.contains(&"user alice written by callsign".to_owned()), "{text}");
    assert!(got.contains(&"authorization the operator's key".to_owned()), "{text}");
    assert_eq!(part(&text, "Who it was"), ["alice, with the key \"app\" see Users in the console"]);

    let text = demo.viewed(spoofed, &[]).await;
    let sent = part(&text, "The app sent to callsign");
    assert!(sent.contains(&"user mallory the client's claim, removed".to_owned()), "{text}");
    let got = part(&text, "OpenRouter got from callsign").join("\n");
    assert!(got.contains("user alice") && !got.contains("mallory"), "{text}");
    assert_eq!(part(&text, "Who it was"), ["alice, with the key \"app\" see Users in the console"]);
}

#[tokio::test]
async fn the_viewer_shows_why_callsign_refuses() {
    let demo = Demo::start(&[("USER_ID_FORMAT", "acme_{sha256:16 user}")]).await;
    let url = demo.commands()[0].split_whitespace().next().unwrap();
    let nobody = demo.viewed(url, &[]).await;
    assert!(part(&nobody, "callsign refused it")[0].starts_with("403 user_required"), "{nobody}");
    assert_eq!(part(&nobody, "OpenRouter got from callsign"), ["nothing"]);
    let unknown = demo.viewed(demo.commands()[0], &[("authorization", "Bearer sk-cs-of-nobody")]).await;
    assert!(part(&unknown, "callsign refused it")[0].starts_with("401 "), "{unknown}");
    assert!(!unknown.contains("sk-cs-of-nobody"), "{unknown}");
    // A hashed identifier is found in the ledger.
    let hashed = demo.viewed(demo.commands()[0], &[]).await;
    assert!(
        part(&hashed, "OpenRouter got from callsign").join("\n").contains("user acme_2bd806c97f0e00af"),
        "{hashed}"
    );
    assert!(part(&hashed, "Who it was")[0].starts_with("alice, with the key"), "{hashed}");
}

#[tokio::test]
async fn the_console_has_sample_data_and_the_end_deletes_it() {
    let demo = Demo::start(&OPERATORS).await;
    let (admin, bearer) = (demo.server.admin.unwrap(), format!("Bearer {}", demo.word("token ")));
    assert!(admin.ip().is_loopback());
    let url = format!("http://{admin}/api/v1/admin/usage?by=user&since=20d");
    let usage = client::get(&url, &[("authorization", &bearer)]).await;
    assert_eq!(usage.status, StatusCode::OK, "{}", usage.text());
    for user in ["alice", "heidi"] {
        assert!(usage.text().contains(&format!("\"{user}\"")), "{}", usage.text());
    }
    assert_eq!(client::get(&url, &[("authorization", "Bearer of-nobody-at-all")]).await.status, 401);
    // An app can use the demo with the printed key.
    let key = format!("Bearer {}", demo.word("API key "));
    let headers = [("authorization", key.as_str()), ("x-user-id", "bob"), ("content-type", "application/json")];
    let body = r#"{"model":"m","messages":[]}"#.to_owned();
    let answer = client::post(&format!("http://{}/v1/chat/completions", demo.server.data), &headers, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());

    let files = |directory: &tempfile::TempDir| std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files(&demo.temporary), 1);
    demo.server.terminate();
    let (status, said) = demo.server.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(files(&demo.temporary), 0);
}

/// A configuration of the reader's own, without an account: the demo's mock OpenRouter answers it.
#[tokio::test(flavor = "multi_thread")]
async fn its_mock_answers_another_callsign() {
    let demo = Demo::start(&[]).await;
    let directory = tempfile::tempdir().unwrap();
    let variables = [
        ("CALLSIGN_UPSTREAM_URL", demo.word("CALLSIGN_UPSTREAM_URL=")),
        ("OPENROUTER_API_KEY", demo.word("OPENROUTER_API_KEY=")),
        ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789"),
        ("SEND_END_USER_ID", "true"),
        ("USER_ID_FORMAT", "acme_{sha256:16 user}"),
        ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
        ("CALLSIGN_LEDGER_MODE", "strict"),
    ];
    let callsign = Server::start("serve", &variables).await;
    let headers = [("authorization", "Bearer sk-cs-a-key-of-one-app-0123456789"), ("x-user-id", "alice")];
    let url = format!("http://{}/v1/chat/completions", callsign.data);
    let answer = client::request(
        Method::POST,
        &url,
        &[&headers[..], &[("content-type", "application/json")]].concat(),
        r#"{"model":"openrouter/auto","messages":[{"role":"user","content":"Hello"}]}"#.to_owned(),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let said = callsign_beside("whois acme_2bd806c97f0e00af", &variables).await;
    assert!(said.code == 0 && said.out.contains(" alice "), "{said:?}");
}
