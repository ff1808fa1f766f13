//! `[[issuers]]`, the variables for one issuer, and the app keys that accompany tokens.

use callsign_core::auth::settings::TokenIssuer;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use rstest::rstest;

use super::*;
use callsign_core::auth::issuer::preset::PRESETS;
use callsign_core::auth::issuer::{KeySource, TokenRules};
use callsign_core::auth::key::Grant;

const SECRET: &str = "a-very-secret-jwt-secret";
const JWKS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// Returns an `[[issuers]]` entry.
fn issuer(name: &str, lines: &str) -> String {
    format!("[[issuers]]\nname = \"{name}\"\n{lines}\n")
}

/// Loads a file with this entry and returns its only issuer.
fn one(lines: &str) -> TokenIssuer {
    let config = with_file(&issuer("it", lines), &[]).unwrap_or_else(|problems| panic!("{problems}")).config;
    config.callers.issuers.into_iter().next().unwrap()
}

/// Returns the source of an issuer's keys as text.
fn keys_of(issuer: &TokenIssuer) -> String {
    match &issuer.keys {
        KeySource::Jwks(url) => url.clone(),
        KeySource::Discovery(url) => format!("discovery {url}"),
        KeySource::File(path) => format!("file {}", path.display()),
        KeySource::Secret(_) => "secret".to_owned(),
        KeySource::PemByKid(url) => format!("pem {url}"),
    }
}

#[rstest]
#[case(
    "clerk",
    "issuer = \"https://c.example/\"",
    "https://c.example",
    "https://c.example/.well-known/jwks.json",
    "sub sid"
)]
#[case(
    "supabase",
    "issuer = \"https://r.supabase.co/auth/v1\"",
    "https://r.supabase.co/auth/v1",
    "https://r.supabase.co/auth/v1/.well-known/jwks.json",
    "sub session_id"
)]
#[case(
    "auth0",
    "issuer = \"https://t.eu.auth0.com\"\naudience = [\"api\"]",
    "https://t.eu.auth0.com/",
    "https://t.eu.auth0.com/.well-known/jwks.json",
    "sub -"
)]
#[case("keycloak", "issuer = \"https://k/realms/r\"", "https://k/realms/r", "discovery https://k/realms/r", "sub sid")]
#[case("oidc", "issuer = \"https://idp/x/\"", "https://idp/x/", "discovery https://idp/x/", "sub sid")]
#[case(
    "firebase",
    "audience = [\"p\"]",
    "https://securetoken.google.com/p",
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
    "sub -"
)]
#[case(
    "firebase",
    "issuer = \"https://securetoken.google.com/p\"",
    "https://securetoken.google.com/p",
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
    "sub -"
)]
#[case(
    "cloudflare-access",
    "issuer = \"https://t.cloudflareaccess.com\"\naudience = [\"a\"]",
    "https://t.cloudflareaccess.com",
    "https://t.cloudflareaccess.com/cdn-cgi/access/certs",
    "sub identity_nonce"
)]
#[case(
    "google-iap",
    "audience = [\"/projects/1/x\"]",
    "https://cloud.google.com/iap",
    "https://www.gstatic.com/iap/verify/public_key-jwk",
    "sub -"
)]
#[case(
    "aws-alb",
    "jwks_url = \"https://public-keys.auth.elb.eu-central-1.amazonaws.com\"\nsigner = \"arn:x\"",
    "-",
    "pem https://public-keys.auth.elb.eu-central-1.amazonaws.com/",
    "sub -"
)]
#[case("teleport", "issuer = \"t.example\"", "t.example", "https://t.example/.well-known/jwks.json", "sub -")]
#[case(
    "pomerium",
    "issuer = \"r.example\"",
    "r.example",
    "https://r.example/.well-known/pomerium/jwks.json",
    "sub sid"
)]
#[case("openwebui-jwt", "secret = \"a-very-secret-jwt-secret\"", "open-webui", "secret", "sub -")]
#[case("openwebui-session", "secret = \"a-very-secret-jwt-secret\"", "-", "secret", "id jti")]
fn a_preset_fills_in_what_is_not_set(
    #[case] preset: &str,
    #[case] lines: &str,
    #[case] says: &str,
    #[case] keys: &str,
    #[case] claims: &str,
) {
    let found = one(&format!("preset = \"{preset}\"\n{lines}"));
    assert_eq!(found.rules.issuer.as_deref().unwrap_or("-"), says);
    assert_eq!(keys_of(&found), keys);
    let session = found.rules.session_claim.as_deref().unwrap_or("-");
    assert_eq!(format!("{} {session}", found.rules.user_claim), claims);
    assert_eq!(found.rules.header, found.preset.header);
    assert_eq!(found.rules.algorithms, found.preset.algorithms);
    assert_eq!(found.rules.leeway, Duration::from_secs(5));
    assert_eq!(found.rules.padded, preset == "aws-alb");
    let open_webui = preset.starts_with("openwebui");
    let chat = if open_webui { "x-openwebui-chat-id" } else { "x-chat-id" };
    assert_eq!(found.rules.chat_header.unwrap(), chat);
    assert!(found.rules.message_header.is_some());
}

#[test]
fn fields_override_the_preset() {
    let rules = one("preset = \"clerk\"\nissuer = \"https://c.example\"\njwks_url = \"http://127.0.0.1:1/jwks\"\n\
         algorithms = [\"ES384\", \"EdDSA\"]\naudience = [\"a\", \"b\"]\nauthorized_parties = [\"https://app\"]\n\
         header = \"X-Clerk-Token\"\nclaims = { user = \"uid\", session = \"s\" }\n\
         headers = { chat = \"X-C\", message = \"X-M\" }\nleeway_seconds = 0")
    .rules;
    assert_eq!(rules.algorithms, [Algorithm::ES384, Algorithm::EdDSA]);
    assert_eq!((rules.audience.len(), rules.authorized_parties.len()), (2, 1));
    assert_eq!((rules.header.as_str(), rules.leeway), ("x-clerk-token", Duration::ZERO));
    assert_eq!((rules.user_claim.as_str(), rules.session_claim.as_deref()), ("uid", Some("s")));
    assert_eq!(
        (rules.chat_header.unwrap(), rules.message_header.unwrap()),
        ("x-c".parse().unwrap(), "x-m".parse().unwrap())
    );
    assert_eq!(rules.token_rules, TokenRules::Clerk);
    let supabase =
        one("preset = \"supabase\"\nissuer = \"https://r/auth/v1\"\nsecret = \"a-very-secret-jwt-secret\"").rules;
    assert_eq!(supabase.algorithms, [Algorithm::HS256], "a secret verifies nothing else");
    assert_eq!((supabase.token_rules, supabase.audience), (TokenRules::Supabase, vec!["authenticated".to_owned()]));
}

#[test]
fn a_file_of_keys_is_read_when_the_configuration_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = directory.path().join("jwks.json");
        std::fs::write(&path, text).unwrap();
        format!("issuer = \"x\"\naudience = [\"a\"]\nalgorithms = [\"EdDSA\"]\njwks_file = \"{}\"", path.display())
    };
    let found = one(&file(JWKS));
    assert!(keys_of(&found).starts_with("file "), "{found:?}");
    assert!(!found.initial.is_empty());
    let problem = file_problems(&issuer("a", &file("{\"keys\":[]}")));
    assert_eq!(problem, "FILE:6: issuers[].jwks_file: names a file that contains no key that can verify a signature");
    let missing = file_problems(&issuer("a", "issuer = \"x\"\njwks_file = \"/nowhere/jwks.json\""));
    assert!(missing.starts_with("FILE:4: issuers[].jwks_file: names a file that cannot be read: "), "{missing}");
}

#[rstest]
#[case("preset = \"clark\"", "FILE:3: issuers[].preset: is not the preset of a token issuer; there are oidc, clerk, ")]
#[case("preset = \"clerk\"", "FILE:2: issuers: has no issuer; the preset clerk needs")]
#[case("preset = \"clerk\"\nissuer = \"c.example\"", "FILE:4: issuers[].issuer: expected a URL")]
#[case("issuer = \"idp\"", "FILE:3: issuers[].issuer: expected a URL, as https://host/path; or set jwks_url")]
#[case("issuer = \"http://idp.example\"", "FILE:3: issuers[].issuer: is not https")]
#[case("issuer = \"x\"\njwks_url = \"http://idp.example/k\"", "FILE:4: issuers[].jwks_url: is not https")]
#[case("issuer = \"x\"\njwks_url = \"https://me:pw@idp/k\"", "FILE:4: issuers[].jwks_url: contains credentials")]
#[case("issuer = \"x\"\njwks_url = \"https://i\"\njwks_file = \"f\"", "FILE:2: issuers: has more than one of")]
#[case("issuer = \"x\"\nsecret = \"short\"", "FILE:4: issuers[].secret: has 5 bytes; at least 16 are required")]
#[case("issuer = \"x\"\nsecret = \"changemechangeme\"", "FILE:4: issuers[].secret: is a well-known placeholder")]
#[case("issuer = \"https://i\"\nalgorithms = [\"HS256\"]", "FILE:4: issuers[].algorithms: does not fit its keys")]
#[case("issuer = \"https://i\"\nalgorithms = [\"RS256\", \"HS256\"]", "FILE:4: issuers[].algorithms: does not fit")]
#[case(
    "issuer = \"i\"\nsecret = \"a-very-secret-x\"\nalgorithms = [\"RS256\"]",
    "FILE:4: issuers[].secret: has 15 bytes"
)]
#[case(
    "issuer = \"i\"\nsecret = \"a-very-secret-xx\"\nalgorithms = [\"RS256\"]",
    "FILE:5: issuers[].algorithms: does not fit"
)]
#[case("issuer = \"https://i\"\nalgorithms = [\"none\"]", "FILE:4: issuers[].algorithms: entry 1: expected RS256")]
#[case("preset = \"openwebui-jwt\"", "FILE:2: issuers: has no secret; set it, or secret_file")]
#[case("preset = \"openwebui-jwt\"\njwks_url = \"https://i/k\"", "FILE:2: issuers: does not fit its keys")]
#[case(
    "preset = \"openwebui-jwt\"\nissuer = \"x\"\nsecret = \"a-very-secret-xx\"",
    "FILE:4: issuers[].issuer: is always open-webui"
)]
#[case(
    "preset = \"openwebui-session\"\nissuer = \"x\"\nsecret = \"a-very-secret-xx\"",
    "FILE:4: issuers[].issuer: is in no token"
)]
#[case("preset = \"firebase\"", "FILE:2: issuers: has no audience; without it")]
#[case("preset = \"firebase\"\nissuer = \"https://securetoken.google.com/\"", "FILE:2: issuers: has no audience")]
#[case("preset = \"firebase\"\naudience = [\"a\", \"b\"]", "FILE:4: issuers[].audience: has several entries")]
#[case(
    "preset = \"firebase\"\naudience = [\"a\"]\nissuer = \"https://x\"",
    "FILE:5: issuers[].issuer: must begin with"
)]
#[case("preset = \"auth0\"\nissuer = \"https://a\"", "FILE:2: issuers: has no audience")]
#[case("preset = \"google-iap\"", "FILE:2: issuers: has no audience")]
#[case("preset = \"cloudflare-access\"\nissuer = \"https://a\"", "FILE:2: issuers: has no audience")]
#[case("preset = \"aws-alb\"\njwks_url = \"https://a\"", "FILE:2: issuers: has no signer")]
#[case(
    "preset = \"aws-alb\"\nsigner = \"arn\"",
    "FILE:2: issuers: has no jwks_url; set it to https://public-keys.auth.elb."
)]
#[case(
    "preset = \"aws-alb\"\nsigner = \"arn\"\njwks_url = \"https://a\"\nalgorithms = [\"ES384\"]",
    "FILE:6: issuers[].algorithms: does not fit its keys: load balancers"
)]
#[case("issuer = \"https://i\"\nsigner = \"arn\"", "FILE:4: issuers[].signer: applies only to the preset aws-alb")]
#[case("issuer = \"https://i\"\nheader = \"x-api-key\"", "FILE:4: issuers[].header: has another meaning")]
#[case(
    "issuer = \"https://i\"\nheader = \"x-user-id\"",
    "FILE:2: issuers: has a header in which a preset reads plain user ids"
)]
#[case(
    "issuer = \"https://i\"\nheaders = { chat = \"cookie\" }",
    "FILE:4: issuers[].headers.chat: has another meaning"
)]
#[case(
    "issuer = \"https://i\"\nheaders = { chat = \"X-User-Id\" }",
    "FILE:2: issuers: names the chat or message in x-user-id"
)]
#[case(
    "issuer = \"https://i\"\nheaders = { message = \"cf-access-jwt-assertion\" }",
    "FILE:2: issuers: names the chat or message in cf-"
)]
#[case("issuer = \"https://i\"\nheaders = { user = \"X-Me\" }", "FILE:4: issuers[].headers.user: is not a setting")]
#[case("issuer = \"https://i\"\nleeway_seconds = 301", "FILE:4: issuers[].leeway_seconds: expected a whole number")]
#[case("issuer = \"https://i\"\ntenant = \"x\"", "FILE:2: issuers: names a tenant, but none is configured")]
#[case(
    "issuer = \"https://i\"\nclaims = { user = \"\" }",
    "FILE:4: issuers[].claims.user: expected text that is not empty"
)]
fn a_bad_issuer_is_one_problem(#[case] lines: &str, #[case] message: &str) {
    let problems = file_problems(&issuer("it", lines));
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.starts_with(message), "{problems}");
}

#[test]
fn several_problems_of_an_issuer_are_found_at_once() {
    let text = "[[issuers]]\npreset = \"clark\"\nalgorithms = [\"x\"]\nleeway_seconds = \"x\"\n[[issuers]]\nname = \"b\"\npreset = \"firebase\"\nsigner = \"a\"";
    assert_eq!(file_problems(text).lines().count(), 6, "{}", file_problems(text));
}

#[test]
fn issuers_are_told_apart() {
    let plain = |name: &str, issuer_url: &str, lines: &str| {
        issuer(name, &format!("issuer = \"{issuer_url}\"\naudience = [\"a\"]\n{lines}"))
    };
    let same_name = plain("a", "https://a", "") + &plain("a", "https://b", "");
    assert_eq!(file_problems(&same_name), "FILE:7: issuers: has the name of an earlier issuer; choose another");
    let same_iss = plain("a", "https://a", "") + &plain("b", "https://a", "");
    assert!(file_problems(&same_iss).contains("cannot be told apart from an earlier issuer"));
    let elsewhere = plain("a", "https://a", "") + &plain("b", "https://a", "header = \"x-token\"");
    assert_eq!(file_problems(&elsewhere), "");
    let session = format!("preset = \"openwebui-session\"\nsecret = \"{SECRET}\"");
    let both_without = issuer("a", &session) + &issuer("b", &session);
    assert!(file_problems(&both_without).contains("cannot be told apart from an earlier issuer"));
}

#[test]
fn variables_make_up_one_issuer() {
    let loaded = load(&[
        ("CALLSIGN_ISSUER", "https://clerk.acme.example"),
        ("CALLSIGN_ISSUER_PRESET", "clerk"),
        ("CALLSIGN_AUTHORIZED_PARTIES", "https://a.example, https://b.example"),
        ("CALLSIGN_AUDIENCE", "x"),
        ("CALLSIGN_JWKS_URL", "http://localhost:1/k"),
    ]);
    let found = &loaded.config.callers.issuers[0];
    assert_eq!((found.rules.name.as_str(), found.source.as_str()), ("clerk", "env CALLSIGN_ISSUER_PRESET"));
    assert_eq!(found.rules.authorized_parties, ["https://a.example", "https://b.example"]);
    assert_eq!(
        (found.rules.audience.as_slice(), keys_of(found).as_str()),
        (["x".to_owned()].as_slice(), "http://localhost:1/k")
    );
    assert!(loaded.config.callers.any(), "a token in Authorization needs no key");
    let oidc = load(&[("CALLSIGN_ISSUER", "https://idp.example"), ("CALLSIGN_AUDIENCE", "x")]);
    assert_eq!(keys_of(&oidc.config.callers.issuers[0]), "discovery https://idp.example");
}

#[rstest]
#[case(&[("CALLSIGN_ISSUER_PRESET", "clerk")], "CALLSIGN_ISSUER: is not set; the preset clerk needs")]
#[case(&[("CALLSIGN_ISSUER_PRESET", "openwebui-jwt")], "CALLSIGN_JWT_SECRET: is not set; set it")]
#[case(&[("CALLSIGN_ISSUER_PRESET", "firebase")], "CALLSIGN_AUDIENCE: is not set; without it")]
#[case(&[("CALLSIGN_ISSUER_PRESET", "aws-alb"), ("CALLSIGN_JWKS_URL", "https://x")], "env CALLSIGN_ISSUER_PRESET: needs signer, which only [[issuers]]")]
#[case(&[("CALLSIGN_JWT_SECRET", "short")], "env CALLSIGN_JWT_SECRET: has 5 bytes")]
#[case(&[("CALLSIGN_ISSUER", "http://idp.example")], "env CALLSIGN_ISSUER: is not https")]
fn what_is_missing_is_named_by_its_variable(#[case] variables: &[(&str, &str)], #[case] message: &str) {
    let problems = problems(variables);
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.starts_with(message), "{problems}");
}

#[test]
fn an_app_key_with_an_issuers_preset_requires_tokens() {
    let open_webui = |name: &str| issuer(name, &format!("preset = \"openwebui-jwt\"\nsecret = \"{SECRET}{name}\""));
    let grant = |text: &str, variables: &[(&str, &str)]| {
        with_file(text, variables).map(|loaded| loaded.config.callers.keys[0].grant.clone())
    };
    let app = [("CALLSIGN_APP_KEY", KEY), ("CALLSIGN_PRESET", "openwebui-jwt")];
    assert_eq!(grant(&open_webui("a"), &app), Ok(Grant::Signed(0)));
    let both = open_webui("a") + &open_webui("b");
    let several = "env CALLSIGN_PRESET: is the preset of several issuers; set issuer to one of a, b";
    assert_eq!(grant(&both, &app), Err(several.to_owned()));
    let keyed = |lines: &str| both.clone() + &key_entry("k", KEY, &format!("preset = \"openwebui-jwt\"\n{lines}"));
    assert_eq!(grant(&keyed("issuer = \"b\""), &[]), Ok(Grant::Signed(1)));
    let unknown = grant(&keyed("issuer = \"c\""), &[]).unwrap_err();
    assert!(
        unknown.ends_with("keys[].issuer: is not an issuer with the preset openwebui-jwt; there are a, b"),
        "{unknown}"
    );
    assert!(grant(&keyed(""), &[]).unwrap_err().contains("keys[].preset: is the preset of several issuers"));
    let credential = grant(
        &issuer("c", "preset = \"clerk\"\nissuer = \"https://c\""),
        &[("CALLSIGN_APP_KEY", KEY), ("CALLSIGN_PRESET", "clerk")],
    );
    assert!(credential.unwrap_err().contains("tokens arrive in Authorization and need no key"));
    let passthrough = [("CALLSIGN_PASSTHROUGH", "1"), ("CALLSIGN_PRESET", "openwebui-jwt")];
    let refused = grant(&open_webui("a"), &passthrough).unwrap_err();
    assert!(refused.contains("is the preset of a token issuer, which CALLSIGN_PASSTHROUGH"), "{refused}");
}

#[test]
fn a_bad_issuer_is_not_also_a_bad_preset_of_keys() {
    let text = issuer("a", "preset = \"openwebui-jwt\"") + &key_entry("k", KEY, "preset = \"openwebui-jwt\"");
    assert_eq!(file_problems(&text).lines().count(), 1, "{}", file_problems(&text));
}

#[test]
fn an_issuer_in_authorization_counts_as_a_caller() {
    let variables =
        [("CALLSIGN_ISSUER_PRESET", "clerk"), ("CALLSIGN_ISSUER", "https://c"), ("OPENROUTER_API_KEY", API_KEY)];
    assert!(load(&variables).config.check_serving().is_ok());
    let beside =
        [("CALLSIGN_ISSUER_PRESET", "openwebui-jwt"), ("CALLSIGN_JWT_SECRET", SECRET), ("OPENROUTER_API_KEY", API_KEY)];
    let problems = load(&beside).config.check_serving().unwrap_err().to_string();
    assert!(problems.starts_with("CALLSIGN_APP_KEY: is not set, so no request would be accepted"), "{problems}");
}

#[test]
fn no_header_with_a_token_is_forwarded() {
    let headers: Vec<_> = PRESETS.iter().map(|preset| preset.header).filter(|name| *name != "authorization").collect();
    let own = issuer(
        "a",
        "issuer = \"https://i\"\naudience = [\"x\"]\nheader = \"x-own-token\"\nheaders = { chat = \"x-own-chat\" }",
    );
    for name in headers.into_iter().chain(["x-own-token", "x-own-chat", "x-message-id"]) {
        let problems = file_problems(&format!("[headers]\nforward = [\"{name}\"]\n{own}"));
        assert!(
            problems.starts_with("FILE:2: headers.forward: ") && problems.lines().count() == 1,
            "{name}: {problems}"
        );
    }
}

#[rstest]
#[case("issuer = \"https://i\"", "FILE:2: issuers: is an issuer that may also sign tokens for other apps")]
#[case(
    "preset = \"keycloak\"\nissuer = \"https://k\"",
    "FILE:2: issuers: is an issuer that may also sign tokens for other apps"
)]
#[case(
    "preset = \"google-iap\"\naudience = [\"a\"]",
    "FILE:2: issuers: is an issuer that no key uses: its tokens arrive in x-goog-iap-"
)]
fn probable_mistakes_are_warnings(#[case] lines: &str, #[case] message: &str) {
    let warnings = with_file(&issuer("it", lines), &[]).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with(message), "{warnings:?}");
}

#[test]
fn an_issuer_supplies_the_claims_of_its_tokens() {
    let clerk = issuer("it", "preset = \"clerk\"\nissuer = \"https://c\"");
    let all = [("SEND_END_USER_ID", "1"), ("SEND_SESSION_ID", "1"), ("SEND_CHAT_ID", "1"), ("SEND_MESSAGE_ID", "1")];
    assert_eq!(with_file(&clerk, &all).unwrap().warnings, Vec::<String>::new());
    let firebase = issuer("it", "preset = \"firebase\"\naudience = [\"p\"]");
    let warnings = with_file(&firebase, &all).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("env SEND_SESSION_ID: is on, but no key or preset supplies"), "{warnings:?}");
}
