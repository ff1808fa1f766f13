use super::*;

fn set(user: &str, tenant: Option<&str>, limit: Limit, value: &str) -> Override {
    Override {
        user: user.to_owned(),
        tenant: tenant.map(str::to_owned),
        limit,
        ceiling: Ceiling::parse(limit, value).unwrap(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
        by: "cli:root".to_owned(),
        forgotten: false,
    }
}

fn caller<'a>(tenant: Option<&'a str>, user: Option<&'a str>) -> CallerIdentity<'a> {
    CallerIdentity { tenant, key: "app", user, ..CallerIdentity::default() }
}

#[test]
fn an_override_holds_for_its_person_and_its_limit() {
    let ended = Override { until: Some(Timestamp::UNIX_EPOCH), ..set("bob", None, Limit::Rpm, "1") };
    let list = OverrideList::new(
        [
            set("ada", None, Limit::Rpm, "5"),
            set("ada", None, Limit::UsdDay, "off"),
            set("ada", Some("acme"), Limit::Rpm, "7"),
            ended,
        ],
        false,
    );
    let configured = Ceilings([Some(60), Some(100), None, None, Some(2), None]);
    let of = |tenant, user| list.over(&caller(tenant, user), configured).0;
    assert_eq!(of(None, Some("ada")), [Some(5), Some(100), None, None, None, None]);
    assert_eq!(of(Some("acme"), Some("ada")), [Some(7), Some(100), None, None, Some(2), None]);
    for other in [of(Some("other"), Some("ada")), of(None, Some("bob")), of(None, None)] {
        assert_eq!(other, configured.0);
    }
    assert!(list.any(|limit| limit == Limit::Rpm) && !list.any(Limit::is_money), "`off` is no budget");
}

#[test]
fn of_two_values_the_lower_holds() {
    let rpm = |value| set("ada", None, Limit::Rpm, value);
    for values in [["off", "9", "5"], ["5", "9", "off"]] {
        let list = OverrideList::new(values.map(rpm), false);
        assert_eq!(list.over(&caller(None, Some("ada")), Ceilings::default()).0[0], Some(5));
    }
}

#[test]
fn values_of_redis_never_loosen_a_limit() {
    for (value, configured, expected) in [
        ("5", Some(60), Some(5)),
        ("600", Some(60), Some(60)),
        ("off", Some(60), Some(60)),
        ("600", None, Some(600)),
        ("off", None, None),
    ] {
        let list = OverrideList::new([set("ada", None, Limit::Rpm, value)], true);
        let mut ceilings = Ceilings::default();
        ceilings.0[0] = configured;
        assert_eq!(list.over(&caller(None, Some("ada")), ceilings).0[0], expected, "{value} over {configured:?}");
    }
}

#[test]
fn the_text_of_an_entry_is_read_back_or_refused() {
    let until = Some(Timestamp::from_second(86_400).unwrap());
    for (limit, value) in [(Limit::Rpm, "5"), (Limit::UsdDay, "2.5"), (Limit::TokensDay, "off")] {
        let one = Override { until, ..set("ada", Some("acme"), limit, value) };
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Override>(&text).unwrap(), one, "{text}");
    }
    let whole = r#"{"user":"ada","limit":"rpm","value":"5","since":"2026-01-01T00:00:00Z","by":"admin"}"#;
    assert!(serde_json::from_str::<Override>(whole).is_ok());
    for (good, bad) in [("rpm", "rpx"), (r#""5""#, r#""-5""#), (r#""5""#, "5"), (r#""user":"ada","#, "")] {
        let damaged = whole.replace(good, bad);
        assert!(serde_json::from_str::<Override>(&damaged).is_err(), "{damaged}");
    }
}

/// Every cut behind the value keeps the limit, for the same person.
#[test]
fn a_damaged_text_keeps_its_limit_without_an_end() {
    let until = Some(Timestamp::from_second(86_400).unwrap());
    let (digest, ada) = (forgotten::digest("ada"), "ada".to_owned());
    for (user, forgotten) in [(ada, false), (digest, true)] {
        let one = Override { user, until, forgotten, ..set("ada", Some("acme"), Limit::Rpm, "5") };
        let text = serde_json::to_string(&one).unwrap();
        let value_ends = text.find(r#""value":"5""#).unwrap() + r#""value":"5""#.len();
        for end in 0..text.len() {
            let list = OverrideList::new(Override::of_damaged(&text[..end]), false);
            let rpm = list.over(&caller(Some("acme"), Some("ada")), Ceilings::default()).0[0];
            assert_eq!(rpm, Some(5).filter(|_| end >= value_ends), "{}", &text[..end]);
        }
    }
    let held = |text: &str| Override::of_damaged(text).len();
    let whole = r#"{"user":"ada","limit":"rpm","value":"5","since":7,"until":"soon","by":[]}"#;
    assert_eq!(held(whole), 1);
    for (good, bad) in
        [(r#""5""#, r#""off""#), (r#""ada""#, "7"), ("rpm", "rpx"), (r#""limit""#, r#""tenant":7,"limit""#)]
    {
        assert_eq!(held(&whole.replace(good, bad)), 0, "{good} {bad}");
    }
}
