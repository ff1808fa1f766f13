//! Tools that reach the files and shells of the shared OpenRouter account are blocked by default
//! (docs/SPEC.md#shared-account-tools).

use callsign_core::endpoint::{Dialect, INFERENCE};

use crate::support::client;
use crate::support::proxy::{ALICE, Setup, callsign};

const ASKING: [&str; 11] = [
    r#"{"model":"m","tools":["shell"]}"#,
    r#"{"model":"m","input":[{"tools":[{"type":"local_shell"}],"type":"additional_tools"}]}"#,
    r#"{"model":"m","plugins":[{"id":"fusion","tools":[{"type":"openrouter:shell_v2"}]}]}"#,
    r#"{"model":"m","messages":[{"content":[{"type":"tool_addition","tool_definition":{"type":"openrouter:files"}}]}]}"#,
    r#"{"model":"m","tools":[{"type":"openrouter:bash"}]}"#,
    r#"{"model":"m","tools":[{"type":"function","name":"f"},{"type":"openrouter:\u0066iles"}],"input":"x"}"#,
    r#"{"model":"m","tools":[{"type":"openrouter:shell","environment":{"type":"container_reference","container_id":"c"}}]}"#,
    r#"{"model":"m","input":[{"container_id":"another-users-container"}]}"#,
    r#"{"model":"m","conversation":{"id":"another-users-conversation"}}"#,
    r#"{"prompt":{"id":"another-users-template","variables":{}},"model":"m"}"#,
    r#"{"model":"m","messages":[],"container":{"skills":[{"type":"custom","skill_id":"another-users-skill"}]}}"#,
];

const HARMLESS: &str = r#"{"model":"m","tools":[{"type":"openrouter:web_search"},{"type":"function","function":
    {"name":"stop","parameters":{"type":"object","properties":{"container_id":{"type":"string"}}}}}],
    "messages":[{"role":"user","content":"run openrouter:bash with container_id 7"}]}"#;

#[tokio::test]
async fn are_refused_in_the_callers_dialect_and_never_complete_upstream() {
    for hold in ["0", "262144"] {
        let (mock, callsign) = callsign(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        for endpoint in &INFERENCE {
            for body in ASKING {
                let answer = client::post(&callsign.url(endpoint.path), ALICE, body).await;
                assert_eq!(answer.status, 403, "{body}: {}", answer.text());
                assert_eq!(answer.header("x-callsign-error"), "tool_not_allowed");
                let error = &answer.json()["error"];
                assert_eq!(error["type"], "permission_error");
                if endpoint.dialect == Dialect::OpenAi {
                    assert_eq!(error["code"], "tool_not_allowed");
                }
                let message = error["message"].as_str().unwrap();
                assert!(message.contains("CALLSIGN_SERVER_TOOLS") && !message.contains("another"), "{message}");
            }
        }
        assert_eq!(mock.received().len(), 0, "the upstream received a complete request");
        let answer = client::post(&callsign.url("chat/completions"), ALICE, HARMLESS).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn requests_of_real_agents_reach_the_upstream_unchanged() {
    let (mock, callsign) = callsign(&[]).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpora");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let request: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let endpoint = request["endpoint"].as_str().unwrap();
        let mut body = request["body"].clone();
        let answer = client::post(&callsign.url(endpoint), ALICE, body.to_string()).await;
        assert_eq!(answer.status, 200, "{}: {}", path.display(), answer.text());
        body.as_object_mut().unwrap().remove("prompt_cache_key");
        let mut received = mock.received().last().unwrap().json().unwrap();
        received.as_object_mut().unwrap().remove("prompt_cache_key");
        assert_eq!(received, body, "{}", path.display());
    }
}

#[tokio::test]
async fn a_listed_type_passes_and_ids_do_not() {
    let mock = mock_openrouter::MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).toml("server_tools_allowed = [\"openrouter:bash\"]").start();
    let status = async |body: &'static str| client::post(&callsign.url("chat/completions"), ALICE, body).await.status;
    assert_eq!(status(r#"{"model":"m","tools":[{"type":"openrouter:bash"}]}"#).await, 200);
    assert_eq!(status(r#"{"model":"m","tools":[{"type":"openrouter:shell"}]}"#).await, 403);
    assert_eq!(status(r#"{"model":"m","tools":[{"type":"openrouter:bash","container_id":"c"}]}"#).await, 403);
}

#[tokio::test]
async fn pass_where_the_operator_allows_them() {
    let (mock, callsign) = callsign(&[("CALLSIGN_SERVER_TOOLS", "allow")]).await;
    for body in ASKING {
        let answer = client::post(&callsign.url("chat/completions"), ALICE, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut received = mock.received().last().unwrap().json().unwrap();
        // Containers are the user's own (docs/SPEC.md#container-keys).
        assert!(received.as_object_mut().unwrap().remove("session_id").is_some(), "{received}");
        assert_eq!(received, serde_json::from_str::<serde_json::Value>(body).unwrap());
    }
}
