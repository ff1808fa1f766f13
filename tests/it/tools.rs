//! Tools that reach the files and shells of the shared OpenRouter account are blocked by default
//! (docs/SPEC.md#blocked-tools).

use callsign_core::endpoint::{Dialect, INFERENCE};

use crate::support::client;
use crate::support::proxy::{ALICE, callsign};

const ASKING: [&str; 4] = [
    r#"{"model":"m","tools":[{"type":"openrouter:bash"}]}"#,
    r#"{"model":"m","tools":[{"type":"function","name":"f"},{"type":"openrouter:\u0066iles"}],"input":"x"}"#,
    r#"{"model":"m","tools":[{"type":"openrouter:shell","environment":{"type":"container_reference","container_id":"c"}}]}"#,
    r#"{"model":"m","input":[{"container_id":"another-users-container"}]}"#,
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
async fn pass_where_the_operator_allows_them() {
    let (mock, callsign) = callsign(&[("CALLSIGN_SERVER_TOOLS", "allow")]).await;
    for body in ASKING {
        let answer = client::post(&callsign.url("chat/completions"), ALICE, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let received = mock.received().last().unwrap().json().unwrap();
        assert_eq!(received, serde_json::from_str::<serde_json::Value>(body).unwrap());
    }
}
