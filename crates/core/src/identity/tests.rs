use super::*;
use crate::endpoint::INFERENCE;
use crate::identity::caller_identity::CallerIdentity;
use crate::identity::valve::{TRACE, Valve};
use crate::secret::Secret;

/// Returns valves that are on for all identifiers in metadata.
fn all() -> Valves {
    Valves { identifiers: PerIdentifier::from_fn(|row| row.metadata.is_some()), trace: false }
}

/// Returns valves of which one is on.
fn only(identifier: Identifier) -> Valves {
    Valves::on(&[identifier])
}

fn policy(valves: Valves) -> Policy {
    Policy {
        valves,
        formats: Formats::defaults().unwrap(),
        max_id_chars: 128,
        missing_user: MissingUser::Omit,
        metadata: Vec::new(),
        secret: Some(IdSecret::new(&Secret::new("a secret of some length")).unwrap()),
        container_keys: false,
    }
}

fn alice() -> CallerIdentity<'static> {
    CallerIdentity {
        key: "app",
        user: Some("alice"),
        session: Some("s1"),
        chat: Some("c1"),
        message: Some("m1"),
        ..CallerIdentity::default()
    }
}

/// Returns the labels of the identifiers that are sent.
fn labels(identifiers: &Identifiers<'_>) -> Vec<&'static str> {
    identifiers.sent().map(|identifier| identifier.row().label).collect()
}

fn fields(path: &str) -> Fields {
    INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap().fields
}

fn members(policy: &Policy, sources: CallerIdentity<'_>, path: &str) -> String {
    policy.identify(&sources, &[], fields(path)).unwrap().members()
}

fn header(policy: &Policy, sources: CallerIdentity<'_>, path: &str) -> Option<String> {
    policy.identify(&sources, &[], fields(path)).unwrap().session_header().map(str::to_owned)
}

#[test]
fn a_request_is_attributed_by_its_source_and_by_what_is_sent() {
    use crate::identity::attribution::Attribution::{Absent, Omitted, Present, Shared};
    let nobody = CallerIdentity { user: None, ..alice() };
    let of = |policy: &Policy, caller: CallerIdentity<'_>, path: &str| {
        policy.identify(&caller, &[], fields(path)).unwrap().attribution(caller.user.is_some())
    };
    let (closed, open) = (policy(Valves::default()), policy(all()));
    assert_eq!((of(&open, alice(), "responses"), of(&open, nobody, "responses")), (Present, Absent));
    assert_eq!((of(&closed, alice(), "responses"), of(&closed, nobody, "responses")), (Omitted, Absent));
    assert_eq!((of(&open, alice(), "rerank"), of(&open, nobody, "rerank")), (Present, Absent));
    let shared = Policy { missing_user: MissingUser::Shared("all".into()), ..open.clone() };
    assert_eq!((of(&shared, alice(), "messages"), of(&shared, nobody, "messages")), (Present, Shared));
    // A configured pair of this name is no identifier.
    let pairs = Policy { metadata: vec![("user_id".into(), "x".into())], ..open };
    assert_eq!(of(&pairs, nobody, "responses"), Absent);
}

#[test]
fn each_endpoint_gets_the_fields_that_it_supports() {
    let policy = policy(Valves { trace: true, ..all() });
    let map = r#"{"user_id":"alice","session_id":"s1","chat_id":"c1","message_id":"m1"}"#;
    for (path, expected, in_header) in [
        ("chat/completions", format!(r#""user":"alice","session_id":"s1","metadata":{map},"trace":{map}"#), None),
        ("completions", format!(r#""user":"alice","session_id":"s1","metadata":{map},"trace":{map}"#), None),
        (
            "responses",
            format!(r#""user":"alice","session_id":"s1","safety_identifier":"alice","metadata":{map},"trace":{map}"#),
            None,
        ),
        (
            "messages",
            format!(r#""user":"alice","session_id":"s1","metadata":{{"user_id":"alice"}},"trace":{map}"#),
            None,
        ),
        ("embeddings", format!(r#""user":"alice","session_id":"s1","trace":{map}"#), Some("s1")),
        ("rerank", format!(r#""user":"alice","session_id":"s1","trace":{map}"#), Some("s1")),
        ("audio/speech", format!(r#""user":"alice","session_id":"s1","trace":{map}"#), Some("s1")),
    ] {
        assert_eq!(members(&policy, alice(), path), expected, "{path}");
        assert_eq!(header(&policy, alice(), path).as_deref(), in_header, "{path}");
    }
    let parts = policy.identify(&alice(), &[], fields("audio/transcriptions")).unwrap().form_parts();
    assert_eq!(parts, [("user", "alice".to_owned()), ("session_id", "s1".to_owned()), ("trace", map.to_owned())]);
}

#[test]
fn a_session_key_of_the_user_is_written_where_tools_run_in_containers() {
    let with = |valves| Policy { container_keys: true, ..policy(valves) };
    let key = |policy: &Policy, sources| policy.identify(&sources, &[], fields("rerank")).unwrap().session_id.unwrap();
    let closed = with(Valves::default());
    let bob = CallerIdentity { user: Some("bob"), ..alice() };
    let bare = CallerIdentity { session: None, chat: None, ..alice() };
    let all = [alice(), bob, bare, CallerIdentity { chat: Some("c2"), ..alice() }].map(|sources| key(&closed, sources));
    let tails: std::collections::HashSet<_> = all.iter().map(|key| &key[key.len() - 20..]).collect();
    assert_eq!((tails.len(), key(&closed, alice())), (4, all[0].clone()));
    assert_eq!(key(&with(super::tests::all()), alice()), "s1", "the format of an open valve wins");
}

#[test]
fn with_all_valves_off_nothing_is_sent() {
    let policy = policy(Valves::default());
    for endpoint in &INFERENCE {
        assert_eq!(members(&policy, alice(), endpoint.path), "");
        assert_eq!(header(&policy, alice(), endpoint.path), None);
    }
}

#[test]
fn trace_is_omitted_if_there_is_no_metadata() {
    let policy = policy(Valves { trace: true, ..Valves::default() });
    assert_eq!(members(&policy, alice(), "chat/completions"), "");
}

#[test]
fn messages_metadata_has_no_pair_other_than_user_id() {
    let policy = policy(Valves::on(&[Identifier::Session, Identifier::Chat]));
    assert_eq!(members(&policy, alice(), "messages"), r#""session_id":"s1""#);
}

#[test]
fn a_value_over_the_limit_is_omitted_everywhere_and_not_truncated() {
    let policy = policy(all());
    let long = "u".repeat(129);
    let sources = CallerIdentity { user: Some(&long), session: Some(&long), ..alice() };
    let ids = policy.identify(&sources, &[], fields("chat/completions")).unwrap();
    assert_eq!(ids.members(), r#""metadata":{"chat_id":"c1","message_id":"m1"}"#);
    let too_long = |identifier| Omission { identifier: Some(identifier), reason: Reason::TooLong };
    assert_eq!(ids.omitted, [too_long(Identifier::User), too_long(Identifier::Session)]);
    let fits = "u".repeat(128);
    assert!(members(&policy, CallerIdentity { user: Some(&fits), ..alice() }, "chat/completions").contains(&fits));
    let chat = "c".repeat(513);
    assert!(!members(&policy, CallerIdentity { chat: Some(&chat), ..alice() }, "chat/completions").contains("chat_id"));
}

#[test]
fn the_cache_session_replaces_the_top_level_session_without_fallback() {
    let policy = policy(Valves { identifiers: PerIdentifier::from_fn(|_| true), trace: false });
    let ids = policy.identify(&alice(), &[], fields("chat/completions")).unwrap();
    let expected = Format::parse("{hmac user chat}").unwrap().render(&alice(), policy.secret.as_ref());
    assert_eq!(ids.session_id, expected);
    assert!(ids.members().contains(r#""session_id":"s1""#), "metadata keeps the session's own id");
    let no_chat = CallerIdentity { chat: None, ..alice() };
    assert_eq!(policy.identify(&no_chat, &[], fields("chat/completions")).unwrap().session_id, None);
}

#[test]
fn missing_user_policies() {
    let without_user = CallerIdentity { user: None, ..alice() };
    let with = |missing_user, valves| Policy { missing_user, ..policy(valves) };
    assert!(!members(&with(MissingUser::Omit, all()), without_user, "chat/completions").contains("user"));
    for valves in [all(), Valves::default()] {
        let error = with(MissingUser::Reject, valves).identify(&without_user, &[], fields("rerank")).unwrap_err();
        assert_eq!(error, UserRequiredError::Missing);
    }
    let long = "u".repeat(129);
    let error = with(MissingUser::Reject, all())
        .identify(&CallerIdentity { user: Some(&long), ..alice() }, &[], fields("rerank"))
        .unwrap_err();
    assert_eq!(error, UserRequiredError::TooLong(128));

    let mut shared = with(MissingUser::Shared("acme".into()), all());
    shared.formats[Identifier::User] = Format::parse("acme_user_{sha256:8 user}").unwrap();
    shared.formats[Identifier::Chat] = Format::parse("{user}.{chat}").unwrap();
    let sent = members(&shared, without_user, "chat/completions");
    assert!(sent.starts_with(r#""user":"acme","session_id":"s1","metadata":{"user_id":"acme","session_id":"s1","#));
    assert!(!sent.contains("chat_id"), "{{user}} stays absent in every other format");
    assert!(members(&shared, alice(), "chat/completions").starts_with(r#""user":"acme_user_2bd806c9""#));
}

#[test]
fn static_metadata_is_appended_in_order_up_to_sixteen_pairs() {
    let mut policy = policy(only(Identifier::User));
    policy.metadata = vec![("app".into(), "tenant's".into()), ("bad[key]".into(), "x".into())];
    policy.metadata.extend((0..20).map(|n| (format!("k{n:02}"), n.to_string())));
    let key = [("app".to_owned(), "key's".to_owned()), ("user_id".to_owned(), "mallory".to_owned())];
    let ids = policy.identify(&alice(), &key, fields("chat/completions")).unwrap();
    let pairs: Vec<_> = ids.metadata().collect();
    assert_eq!(pairs[..3], [("user_id", "alice"), ("app", "key's"), ("k00", "0")]);
    assert_eq!(pairs.len(), 16);
    assert_eq!(pairs[15], ("k13", "13"), "an invalid pair does not count towards the sixteen");
}

#[test]
fn a_session_that_is_not_visible_ascii_is_left_out_of_the_header_alone() {
    let policy = policy(all());
    let odd = CallerIdentity { session: Some("sé 1"), ..alice() };
    assert_eq!(header(&policy, odd, "embeddings"), None);
    for path in ["embeddings", "chat/completions"] {
        assert!(members(&policy, odd, path).contains(r#""session_id":"sé 1""#), "{path}");
        assert!(policy.identify(&odd, &[], fields(path)).unwrap().omitted.is_empty(), "{path}");
    }
}

#[test]
fn a_client_session_is_bound_to_the_caller_and_used_as_session_and_chat() {
    let policy = policy(all());
    let of = |user, client| {
        let sources =
            CallerIdentity { user, session: None, chat: None, message: None, client_session: Some(client), ..alice() };
        policy.identify(&sources, &[], fields("chat/completions")).unwrap().session_id.unwrap()
    };
    let id = of(Some("alice"), "ses_1");
    assert_eq!(id.len(), 64);
    assert_eq!(id, of(Some("alice"), "ses_1"));
    assert_ne!(id, of(Some("bob"), "ses_1"));
    assert_ne!(id, of(None, "ses_1"));
    assert_ne!(id, of(Some("alice"), "ses_2"));
    let sources = CallerIdentity { session: None, chat: None, client_session: Some("ses_1"), ..alice() };
    let ids = policy.identify(&sources, &[], fields("chat/completions")).unwrap();
    assert_eq!(ids.metadata().find(|(name, _)| *name == "chat_id"), Some(("chat_id", id.as_str())));
    let with_both = CallerIdentity { client_session: Some("ses_1"), ..alice() };
    assert_eq!(policy.identify(&with_both, &[], fields("chat/completions")).unwrap().session_id.as_deref(), Some("s1"));
}

#[test]
fn bindings_equal_the_hashes_of_openssl_and_sha256sum() {
    // printf 'acme\037alice\037cache\037k' | openssl dgst -sha256 -hmac "a secret of some length"
    let sources = CallerIdentity { tenant: Some("acme"), ..alice() };
    let mut binder = policy(all()).cache_binder(&sources);
    binder.update(b"k");
    assert_eq!(binder.finish(), "775a49e1b2e963d3af4c6eacc7a95f97cafe26d0ef803cf30f5c296617cee802");
    // printf '\037\037app\037session\037v' | sha256sum
    let without_user = CallerIdentity { user: None, ..alice() };
    let mut binder = Binder::new(&without_user, None, Purpose::Session);
    binder.update(b"v");
    assert_eq!(binder.finish(), "7c7593f2e1c876732acd1b1f836a4b4b46976842d7958c8d93ed5efd0855b396");
}

#[test]
fn a_user_format_with_an_absent_field_counts_as_a_missing_user() {
    let mut policy = Policy { missing_user: MissingUser::Reject, ..policy(all()) };
    policy.formats[Identifier::User] = Format::parse("{tenant}_{user}").unwrap();
    let refused = policy.identify(&alice(), &[], fields("chat/completions"));
    assert_eq!(refused.unwrap_err(), UserRequiredError::Missing);
    policy.missing_user = MissingUser::Omit;
    assert!(!members(&policy, alice(), "chat/completions").contains("alice"));
    let of_acme = CallerIdentity { tenant: Some("acme"), ..alice() };
    assert!(members(&policy, of_acme, "chat/completions").starts_with(r#""user":"acme_alice""#));
}

#[test]
fn sent_lists_the_identifiers_in_the_request() {
    let bare = CallerIdentity { session: None, chat: None, message: None, ..alice() };
    let (session_only, cached) = (only(Identifier::Session), only(Identifier::CacheSession));
    for (valves, sources, path, expected) in [
        (all(), alice(), "chat/completions", vec!["user_id", "session_id", "chat_id", "message_id"]),
        (all(), alice(), "messages", vec!["user_id", "session_id"]),
        (all(), alice(), "embeddings", vec!["user_id", "session_id"]),
        (all(), alice(), "rerank", vec!["user_id", "session_id"]),
        (all(), bare, "chat/completions", vec!["user_id"]),
        (all(), bare, "rerank", vec!["user_id"]),
        (Valves { trace: true, ..all() }, alice(), "rerank", vec!["user_id", "session_id", "chat_id", "message_id"]),
        (session_only, alice(), "chat/completions", vec!["session_id"]),
        (cached, alice(), "chat/completions", vec!["session_id"]),
        (Valves::default(), alice(), "chat/completions", vec![]),
    ] {
        let policy = policy(valves);
        let identifiers = policy.identify(&sources, &[], fields(path)).unwrap();
        assert_eq!(labels(&identifiers), expected, "{path} {valves:?}");
    }
    // The cache session has no source value, so `session_id` is sent in the metadata only.
    let policy = policy(Valves::on(&[Identifier::Session, Identifier::CacheSession]));
    let sources = CallerIdentity { chat: None, ..alice() };
    let identifiers = policy.identify(&sources, &[], fields("chat/completions")).unwrap();
    assert_eq!((identifiers.session_id.as_deref(), labels(&identifiers)), (None, vec!["session_id"]));
}

#[test]
fn the_json_form_equals_what_is_sent() {
    let policy = policy(all());
    let shown = |path| serde_json::Value::Object(policy.identify(&alice(), &[], fields(path)).unwrap().to_json());
    assert_eq!(
        shown("messages"),
        serde_json::json!({"user": "alice", "session_id": "s1", "metadata": {"user_id": "alice"}})
    );
    assert_eq!(
        shown("embeddings"),
        serde_json::json!({"user": "alice", "session_id": "s1", "headers": {"x-session-id": "s1"}})
    );
}

#[test]
fn valves_are_listed_in_the_order_of_the_table() {
    for row in &TABLE {
        let valves = only(row.identifier);
        let on: Vec<_> = valves.list().into_iter().filter(|valve| valve.on).collect();
        assert_eq!(on, [Valve { variable: row.valve.variable, on: true }]);
        assert!(valves.any() && valves[row.identifier]);
    }
    let trace = Valves { trace: true, ..Valves::default() }.list();
    assert_eq!(trace.map(|valve| valve.on), [false, false, false, false, false, true]);
    assert_eq!(trace[5].variable, TRACE.variable);
}

#[test]
fn names_of_reasons_and_state_of_valves() {
    let names = Reason::ALL.map(Reason::name);
    assert_eq!(names, ["no_source", "too_long", "invalid", "too_many_pairs"]);
    assert!(!Valves::default().any());
    assert!(Valves { trace: true, ..Valves::default() }.any());
}

#[test]
fn each_row_of_the_table_names_what_its_valve_sends() {
    for row in &TABLE {
        let policy = policy(only(row.identifier));
        let sent = policy.identify(&alice(), &[], fields("responses")).unwrap();
        let keys: Vec<_> = sent.metadata().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(keys, row.metadata.into_iter().collect::<Vec<_>>(), "{}", row.name);
        let mut expected: Vec<_> = row.members.iter().chain(row.metadata.map(|_| &"metadata")).copied().collect();
        expected.sort_unstable();
        let mut members: Vec<_> = sent.to_json().into_iter().map(|(name, _)| name).collect();
        members.sort_unstable();
        assert_eq!(members, expected, "{}", row.name);
    }
}

#[test]
fn omissions_are_numbered_without_gaps() {
    let of = |identifier| Omission { identifier, reason: Reason::Invalid };
    let identifiers = TABLE.iter().map(|row| of(Some(row.identifier))).chain([of(None)]);
    let numbered: Vec<_> = identifiers.map(|omission| (omission.index(), omission.field())).collect();
    assert!(numbered.iter().map(|(index, _)| *index).eq(0..Omission::FIELDS), "{numbered:?}");
    assert_eq!(numbered.last().unwrap().1, "metadata");
}
