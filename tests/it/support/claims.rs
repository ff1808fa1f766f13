//! Claims of identity by a client: every member and header in which it could name itself.
//!
//! All claims contain the mark `mallory` (or [`MARKED_NUMBER`]), so that a search of a received request finds any that
//! passed.

use std::collections::BTreeSet;

use callsign_core::auth::preset::Preset;

/// The mark in claims that are numbers.
pub(crate) const MARKED_NUMBER: &str = "66600666";

/// The members that are removed (docs/SPEC.md#removed-fields), and `prompt_cache_key`, which is bound.
const NAMES: [&str; 9] = [
    "user",
    "session_id",
    "metadata",
    "safety_identifier",
    "trace",
    "client_metadata",
    "callback_url",
    "__proto__",
    "prompt_cache_key",
];

/// Values of every JSON type.
const VALUES: [&str; 11] = [
    r#""mallory""#,
    r#""\u006dallory\\\"}""#,
    r#""\ud800mallory""#,
    r#""""#,
    "66600666",
    "-0.5e-3",
    "true",
    "null",
    "[]",
    r#"["mallory", {"user": "mallory"}]"#,
    r#"{"user_id": "mallory", "deep": {"a": [1, "}"]}}"#,
];

/// Headers that identify a client. The presets' headers are added.
const CLAIMS: &str = "x-session-id x_session_id x-external-user session-id session_id thread-id conversation_id \
    agent-session-id x-session-affinity x-claude-code-session-id x-client-request-id x-codex-window-id \
    x-codex-turn-metadata x-codex-installation-id x-roo-task-id x-litellm-trace-id x-litellm-session-id \
    x-litellm-end-user-id x-litellm-customer-id cookie x-openwebui-user-name x-openwebui-user-email \
    x-openwebui-user-role x-openwebui-user-jwt x-clerk-token cf-access-jwt-assertion x-goog-iap-jwt-assertion \
    x-amzn-oidc-identity x-amzn-oidc-data x-pomerium-jwt-assertion teleport-jwt-assertion tailscale-user-login \
    remote-user remote-email x-auth-request-user x-auth-request-email x-forwarded-email x-forwarded-access-token \
    x-forwarded-preferred-username x-ms-client-principal-id x-authentik-username x-authentik-jwt forwarded \
    x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip true-client-ip cf-connecting-ip via traceparent \
    tracestate baggage x-request-id x-b3-traceid sentry-trace x-stainless-lang x-stainless-os x-stainless-runtime \
    x-stainless-retry-count user-agent origin dnt x-openrouter-user x-user x_user_id user openai-organization \
    openai-project proxy-authorization from";

/// Returns spellings of a name, without quotes, that some JSON reader takes for that name.
fn spellings(name: &str) -> BTreeSet<String> {
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
    let upper = name.to_ascii_uppercase();
    BTreeSet::from([
        name.to_owned(),
        escaped(name),
        format!("{}{}", escaped(&name[..1]), &name[1..]),
        escaped(&upper).to_ascii_uppercase().replace("\\U", "\\u"),
        upper,
        format!("{name}\\u0000"),
        format!("{name}\\u0000 and more"),
        name.replace('s', "ſ").replace('k', "\u{212a}"),
        name.replace('s', "\\u017f").replace('k', "\\u212A"),
    ])
}

/// Builds a body with every name in every spelling and value, each followed by a member that must be kept. Returns the
/// body and the names of the kept members.
pub(crate) fn claiming_body() -> (String, Vec<String>) {
    let mut claims: Vec<String> = Vec::new();
    for name in NAMES {
        for spelling in spellings(name) {
            claims.extend(VALUES.iter().map(|value| format!("\"{spelling}\" : {value}")));
        }
    }
    let kept: Vec<String> = (0..claims.len()).map(|number| format!("kept-{number}")).collect();
    let both: Vec<String> = claims.iter().zip(&kept).map(|(claim, kept)| format!("{claim}, \"{kept}\":1")).collect();
    (format!("{{{}}}", both.join(",\n")), kept)
}

/// Returns [`CLAIMS`] and every header of every preset with marked values.
pub(crate) fn claiming_headers() -> Vec<(String, String)> {
    let presets: Vec<Preset> = Preset::names().filter_map(Preset::built_in).collect();
    let of_presets = presets.iter().flat_map(Preset::headers).map(|name| name.as_str().to_owned());
    let names: BTreeSet<String> = CLAIMS.split_whitespace().map(str::to_owned).chain(of_presets).collect();
    names.into_iter().map(|name| (name.clone(), format!("mallory-{name}"))).collect()
}

pub(crate) fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
