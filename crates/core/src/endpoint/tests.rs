use super::*;

fn find(method: &str, path: &str) -> Result<Endpoint, RouteError> {
    Endpoint::find(&method.parse().unwrap(), path, false, false)
}

fn upstream_path(path: &str) -> Option<String> {
    match find("GET", path) {
        Ok(Endpoint::Read(read)) => Some(read.path().to_owned()),
        _ => None,
    }
}

#[test]
fn every_row_of_the_table_is_found_under_both_base_paths() {
    for endpoint in &INFERENCE {
        for base in ["/v1/", "/api/v1/"] {
            let found = find("POST", &format!("{base}{}", endpoint.path));
            assert_eq!(found, Ok(Endpoint::Inference(endpoint)));
        }
    }
    for path in [
        "models",
        "models/count",
        "models/openai/gpt-4o/endpoints",
        "model/openai/gpt-4o",
        "models/gpt-4o",
        "models/openai%2Fgpt-4o",
        "models/anthropic%2Fclaude-3.5-sonnet:beta",
        "providers",
        "embeddings/models",
        "images/models",
        "images/models/a/b/endpoints",
        "videos/models",
        "tools",
        "tools/openrouter:web_search",
        "endpoints/zdr",
        "models/openai/gpt-4o",
        "models/a/endpoints",
    ] {
        assert_eq!(upstream_path(&format!("/api/v1/{path}")).as_deref(), Some(path));
    }
}

#[test]
fn paths_of_the_account_and_odd_spellings_are_not_exposed() {
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/api",
        "/v2/models",
        "/models",
        "/v1/keys",
        "/v1/activity",
        "/v1/files",
        "/v1/presets",
        "/v1/generation",
        "/v1/generation/content",
        "/v1/models/USER",
        "/v1/models/user/x",
        "/v1/models/User/x",
        "/v1/tools/a/b",
        "/v1/tools/a%2Fb",
        "/v1/tools/",
        "/v1/endpoints",
        "/v1/endpoints/zdr/x",
        "/v1/key/x",
        "/v1/auth",
        "/v1/auth/keys",
        "/v1/credits/coinbase",
        "/v1/models/user%2Fx",
        "/v1/models/user;x",
        "/v1/models/user%20",
        "/v1/models/u%C5%BFer",
        "/v1/models/",
        "/v1//models",
        "/v1/models//",
        "/v1/../keys",
        "/v1/models/..",
        "/v1/models/%2e%2e",
        "/v1/models/%2E%2E%2Fkeys",
        "/v1/models/x%2F..%2F..%2Fkeys",
        "/v1/models/a%5Cb",
        "/v1/models/a%255Cb",
        "/v1/models/a%00",
        "/v1/models/%FF",
        "/v1/models/a/b/c",
        "/v1/models/a%2Fb/c",
        "/v1/models/a/b%2Fc",
        "/v1/model/a/b%2Fc",
        "/v1/models/a%2Fb/c/endpoints",
        "/v1/images/models/a/b%2Fc/endpoints",
        "/v1/models/a%2F%2Fb",
        "/v1/chat%2Fcompletions",
        "/v1/chat/completions/",
        "/V1/models",
        "/v1/Models",
        "/v1/models;x",
        "/v1/Videos",
        "/v1/videos/",
        "/v1/videos/models/x",
        "/v1/videos/a.b",
        "/v1/videos/a%2Fb",
        "/v1/videos/a%2Fcontent",
        "/v1/videos/%2e%2e/content",
        "/v1/videos/a/contents",
        "/v1/videos/a/content/x",
        "/v1/videos/a/content/",
        "/v1/videos//content",
    ] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            assert_eq!(find(method, path), Err(RouteError::NotExposed), "{method} {path}");
        }
    }
}

#[test]
fn self_service_endpoints_are_read_only() {
    let find = |method: &str, path, ledger| Endpoint::find(&method.parse().unwrap(), path, false, ledger);
    assert_eq!(find("GET", "/callsign/v1/me", false), Ok(Endpoint::SelfService(SelfService::Me)));
    assert_eq!(find("GET", "/v1/generation", true), Ok(Endpoint::SelfService(SelfService::Generation)));
    assert_eq!(find("HEAD", "/api/v1/generation", true), Ok(Endpoint::SelfService(SelfService::Generation)));
    for path in ["/callsign/v1/me", "/v1/generation"] {
        assert_eq!(find("POST", path, true), Err(RouteError::MethodNotAllowed { allow: "GET, HEAD" }), "{path}");
    }
    for path in ["/callsign/v1/me/", "/callsign/v1/%6De", "/v1/me", "/v1/generation/content", "/v1/generation/", "/me"]
    {
        assert_eq!(find("GET", path, true), Err(RouteError::NotExposed), "{path}");
    }
}

#[test]
fn video_jobs_are_read_by_plain_ids_and_only_with_a_ledger() {
    let find = |method: &str, path: &str, ledger| Endpoint::find(&method.parse().unwrap(), path, false, ledger);
    let longest = "x".repeat(128);
    for (path, sent, name) in [
        ("gen-vid-1_A".to_owned(), "videos/gen-vid-1_A".to_owned(), "videos/{id}"),
        ("gen%2Dvid/content".to_owned(), "videos/gen-vid/content".to_owned(), "videos/{id}/content"),
        (longest.clone(), format!("videos/{longest}"), "videos/{id}"),
    ] {
        for method in ["GET", "HEAD"] {
            let path = format!("/v1/videos/{path}");
            let Ok(Endpoint::Video(video)) = find(method, &path, true) else { panic!("{path}") };
            assert_eq!((video.path(), video.name()), (sent.clone(), name));
            assert_eq!(find(method, &path, false), Err(RouteError::NeedsLedger), "{path}");
        }
        let posted = find("POST", &format!("/v1/videos/{path}"), true);
        assert_eq!(posted, Err(RouteError::MethodNotAllowed { allow: "GET, HEAD" }), "{path}");
    }
    assert_eq!(find("GET", &format!("/v1/videos/{longest}x"), true), Err(RouteError::NotExposed));
    assert_eq!(find("GET", "/v1/videos", true), Err(RouteError::MethodNotAllowed { allow: "POST" }));
    assert!(matches!(find("GET", "/v1/videos/models", false), Ok(Endpoint::Read(list)) if list.is_list()));
}

#[test]
fn questions_about_the_account_are_answered_and_models_user_is_models() {
    for (path, question) in [
        ("/v1/key", SelfService::Key),
        ("/api/v1/auth/key", SelfService::AuthKey),
        ("/v1/credits", SelfService::Credits),
    ] {
        assert_eq!(find("GET", path), Ok(Endpoint::SelfService(question)), "{path}");
        for method in ["POST", "PATCH", "DELETE"] {
            assert_eq!(find(method, path), Err(RouteError::MethodNotAllowed { allow: "GET, HEAD" }), "{method} {path}");
        }
    }
    for path in ["/v1/models/user", "/api/v1/models/user", "/v1/models/%75ser"] {
        assert_eq!(upstream_path(path).as_deref(), Some("models"));
        assert_eq!(find("GET", path).unwrap().name(), "models");
    }
}

#[test]
fn lists_are_told_from_other_reads() {
    for (path, is_list) in [
        ("models", Some(true)),
        ("models/user", Some(true)),
        ("tools", Some(true)),
        ("endpoints/zdr", Some(true)),
        ("models/a/b", Some(false)),
        ("tools/x", Some(false)),
        ("keys", None),
        ("../keys", None),
    ] {
        assert_eq!(CataloguePath::find(path).map(|found| found.is_list()), is_list, "{path}");
    }
}

#[test]
fn percent_encoded_letters_are_decoded() {
    assert_eq!(find("POST", "/v1/%63hat/completions").unwrap().name(), "chat/completions");
}

#[test]
fn other_methods_get_405_with_the_allowed_methods() {
    assert_eq!(find("GET", "/v1/chat/completions"), Err(RouteError::MethodNotAllowed { allow: "POST" }));
    assert_eq!(find("OPTIONS", "/v1/messages"), Err(RouteError::MethodNotAllowed { allow: "POST" }));
    assert_eq!(find("POST", "/v1/models"), Err(RouteError::MethodNotAllowed { allow: "GET, HEAD" }));
    assert!(find("HEAD", "/v1/models").is_ok());
}

#[test]
fn a_websocket_handshake_is_recognised_on_responses_only() {
    let upgrade = |path| Endpoint::find(&Method::GET, path, true, false);
    assert_eq!(upgrade("/v1/responses"), Err(RouteError::WebSocket));
    assert_eq!(upgrade("/v1/messages"), Err(RouteError::MethodNotAllowed { allow: "POST" }));
    assert!(upgrade("/v1/models").is_ok());
}

#[test]
fn the_error_format_depends_on_the_path() {
    assert_eq!(Endpoint::dialect_of("/v1/messages"), Dialect::Anthropic);
    assert_eq!(Endpoint::dialect_of("/api/v1/messages/count_tokens"), Dialect::Anthropic);
    assert_eq!(Endpoint::dialect_of("/v1/keys"), Dialect::OpenAi);
}

#[test]
fn an_endpoint_is_found_by_path_and_by_short_name() {
    for (name, path) in [
        ("chat", "chat/completions"),
        ("chat/completions", "chat/completions"),
        ("/v1/chat/completions", "chat/completions"),
        ("/api/v1/messages", "messages"),
        ("completions", "completions"),
        ("speech", "audio/speech"),
        ("count_tokens", "messages/count_tokens"),
        ("images", "images"),
        ("rerank", "rerank"),
        ("systemone", "systemone"),
    ] {
        assert_eq!(Inference::find_by_name(name).map(|endpoint| endpoint.path), Ok(path), "{name}");
    }
    for name in ["", "chats", "v1", "models", "audio"] {
        assert!(Inference::find_by_name(name).is_err(), "{name}");
    }
}
