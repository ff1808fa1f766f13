use callsign_core::auth::settings::ClientSession;
use callsign_core::identity::row_seal::RowSeal;
use callsign_core::identity::secret::IdSecret;
use callsign_core::identity::{Formats, Policy};

use super::*;

fn callers() -> Callers {
    let key = callsign_core::auth::key::Key::new(
        "configured",
        callsign_core::secret::KeyDigest::of(b"x"),
        callsign_core::auth::key::Grant::User("u".to_owned()),
    );
    Callers {
        keys: vec![key],
        issuers: Vec::new(),
        passthrough: None,
        client_session: ClientSession::Drop,
        own_presets: std::collections::BTreeMap::new(),
    }
}

fn create_with(pays: bool, change: impl FnOnce(&mut Create)) -> Result<NewKey, KeyOrderError> {
    let state = OperatorState::default();
    let seal = RowSeal::of_keys(&IdSecret::new(&Secret::new("a secret of some length")).unwrap());
    state.configure_keys(Some(seal), Duration::from_mins(1));
    let operator = Policy::new(Formats::defaults().unwrap());
    let (callers, tenants) = (callers(), Tenants { operator, list: Vec::new() });
    let configured = Configured { callers: &callers, tenants: &tenants, operator_pays: pays };
    let mut order = Create {
        of: For::User("alice".to_owned()),
        name: None,
        tenant: None,
        expires: None,
        limits: Vec::new(),
        from: Vec::new(),
        by: "cli:root".to_owned(),
    };
    change(&mut order);
    create(&state, configured, order)
}

fn refused(change: impl FnOnce(&mut Create)) -> String {
    create_with(true, change).map(drop).unwrap_err().to_string()
}

#[test]
fn a_key_has_the_name_of_its_user_or_app() {
    assert_eq!(create_with(true, |_| {}).unwrap().row.name, "alice");
    let app = create_with(true, |order| order.of = For::App("chat".to_owned(), None)).unwrap();
    assert_eq!((app.row.name.as_str(), app.row.holder.preset.as_deref()), ("chat", Some("generic")));
    assert!(app.key.expose().starts_with("sk-cs-"));
    let named = create_with(true, |order| order.name = Some("laptop".to_owned())).unwrap();
    assert_eq!(named.row.name, "laptop");
    let numbered = create_with(true, |order| order.of = For::User("configured".to_owned())).unwrap();
    assert_eq!(numbered.row.name, "configured-2");
}

#[test]
fn what_does_not_fit_the_configuration_is_refused() {
    for name in ["app", "passthrough-x", "configured"] {
        assert!(refused(|order| order.name = Some(name.to_owned())).contains("reserved"), "{name}");
    }
    for name in ["", "a\nb", &"x".repeat(257)] {
        assert!(refused(|order| order.name = Some(name.to_owned())).contains("invisible"), "{name}");
    }
    assert!(refused(|order| order.of = For::User(" ".to_owned())).contains("expected a user"));
    assert!(refused(|order| order.of = For::App("x".to_owned(), Some("no".to_owned()))).contains("generic"));
    assert!(refused(|order| order.tenant = Some("acme".to_owned())).starts_with("unknown tenant"));
    assert!(refused(|order| order.from = vec!["10.0.0.0/99".to_owned()]).contains("10.0.0.0/8"));
    let twice = vec![(Limit::Rpm, Ceiling::At(1)), (Limit::Rpm, Ceiling::At(2))];
    assert!(refused(|order| order.limits = twice).starts_with("rpm is given twice"));
    assert!(create_with(false, |_| {}).unwrap_err().to_string().contains("OPENROUTER_API_KEY"));
}

#[test]
fn an_overlap_is_at_most_thirty_days() {
    let state = OperatorState::default();
    let long = LONGEST_OVERLAP + Duration::from_secs(1);
    assert!(matches!(rotate(&state, "x", long, "cli:root"), Err(KeyOrderError::Overlap)));
    assert!(matches!(rotate(&state, "x", LONGEST_OVERLAP, "cli:root"), Err(KeyOrderError::Change(_))));
}
