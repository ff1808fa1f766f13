use super::*;
use crate::secret::Secret;

const CLERK: &str = "user_2N4ZuACdqJrGGgz5c2egqQnwZaN";
const UUID: &str = "a3d0d2c1-7f49-4b6b-9a3b-9d3b2a54c2d1";

fn render(format: &str, sources: CallerIdentity<'_>) -> Option<String> {
    let secret = IdSecret::new(&Secret::new("a secret of some length")).unwrap();
    Format::parse(format).unwrap().render(&sources, Some(&secret))
}

fn user(id: &str) -> CallerIdentity<'_> {
    CallerIdentity { user: Some(id), ..CallerIdentity::default() }
}

#[test]
fn documented_examples() {
    for (format, value, result) in [
        ("intellisync_{user}", CLERK, "intellisync_user_2N4ZuACdqJrGGgz5c2egqQnwZaN"),
        ("intellisync_{sha256:16 user}", CLERK, "intellisync_bfe1bd65d9faa81a"),
        ("mai_client_63a4eb6d_user_{sha256:8 user}", UUID, "mai_client_63a4eb6d_user_31b11580"),
    ] {
        assert_eq!(render(format, user(value)).as_deref(), Some(result), "{format}");
    }
}

#[test]
fn hashes_equal_those_of_openssl() {
    // printf %s alice | sha256sum; printf %s alice | openssl dgst -sha256 -hmac "a secret of some length"
    let sha = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
    assert_eq!(render("{sha256 user}", user("alice")).as_deref(), Some(sha));
    let mac = "d9ace61c86bd7955e092156517a582788ab673ad534e0ad34f60e01f9dd9e89b";
    assert_eq!(render("{hmac user}", user("alice")).as_deref(), Some(mac));
    assert_eq!(render("{hmac:12 user}", user("alice")).as_deref(), Some(&mac[..12]));
}

#[test]
fn several_fields_are_joined_by_the_unit_separator() {
    let both = CallerIdentity { chat: Some("c1"), ..user("alice") };
    // printf 'alice\037c1' | sha256sum
    assert_eq!(
        render("{sha256 user chat}", both).as_deref(),
        Some("babe8bb034d8bacd85baba2302241420d7d4be074007626db11302f4c8699ea3")
    );
    assert_ne!(render("{hmac user chat}", both), render("{hmac chat user}", both));
}

#[test]
fn a_sealed_value_is_stable_opaque_and_opens_only_with_the_secret() {
    let secret = IdSecret::new(&Secret::new("a secret of some length")).unwrap();
    let sealed = render("{seal user}", user(UUID)).unwrap();
    assert_eq!(render("{seal user}", user(UUID)).unwrap(), sealed);
    assert!(sealed.len() <= 80 && !sealed.contains("a3d0"));
    assert_eq!(secret.open(&sealed).as_deref(), Some(UUID));
    let other = IdSecret::new(&Secret::new("another secret of length")).unwrap();
    assert_eq!(other.open(&sealed), None);
    assert_eq!(secret.open("AAAA"), None);
    let both = render("{seal user chat}", CallerIdentity { chat: Some("c1"), ..user("alice") }).unwrap();
    assert_eq!(secret.open(&both).as_deref(), Some("alice\u{1f}c1"));
}

#[test]
fn an_absent_field_yields_no_identifier() {
    for format in ["p_{user}", "{user}-{chat}", "{hmac user chat}", "{seal chat}", "{tenant}_{user}"] {
        let sources = if format == "p_{user}" { CallerIdentity::default() } else { user("alice") };
        assert_eq!(render(format, sources), None, "{format}");
    }
}

#[test]
fn error_messages_name_the_mistake() {
    let error = |text: &str| Format::parse(text).unwrap_err().to_string();
    for (text, says) in [
        ("{user", "unbalanced"),
        ("user}", "unbalanced"),
        ("{{user}}", "unbalanced"),
        ("constant", "names no field"),
        ("", "names no field"),
        ("{}", "names no field"),
        ("{tenant}", "names no field"),
        ("{sha256}", "names no field"),
        ("{usr}", "unknown field `usr`"),
        ("{hmac:32 usr}", "unknown field `usr`"),
        ("{md5 user}", "unknown function `md5`"),
        ("{md5:8 user}", "unknown function `md5`"),
        ("{sha256:7 user}", "8 to 64"),
        ("{sha256:65 user}", "8 to 64"),
        ("{hmac:x user}", "8 to 64"),
        ("{hmac:+16 user}", "8 to 64"),
        ("{seal:16 user}", "8 to 64"),
        ("{user chat}", "joins several fields"),
    ] {
        assert!(error(text).contains(says), "{text}: {}", error(text));
    }
}

#[test]
fn properties_that_cause_warnings() {
    let format = |text| Format::parse(text).unwrap();
    assert_eq!(format("{sha256:8 user}").short_digits(), Some(8));
    assert_eq!(format("{hmac:16 user}").short_digits(), None);
    assert!(format("{hmac chat}").hashes_without_user());
    assert!(!format("{hmac user chat}").hashes_without_user());
    assert!(!format("{chat}").hashes_without_user());
    assert!(format("{hmac user}").needs_secret() && format("{seal user}").needs_secret());
    assert!(!format("{sha256 user}").needs_secret());
    assert_eq!(format("acme_{hmac:32 user}").to_string(), "acme_{hmac:32 user}");
}

#[test]
fn literal_text_is_kept_around_fields() {
    let both = CallerIdentity { chat: Some("c1"), ..user("alice") };
    for (format, result) in [
        ("{user}", "alice"),
        ("{user}_at_acme", "alice_at_acme"),
        ("acme_{user}", "acme_alice"),
        ("a{user}b{chat}c", "aalicebc1c"),
        ("{user}{chat}", "alicec1"),
    ] {
        assert_eq!(render(format, both).as_deref(), Some(result), "{format}");
    }
}

#[test]
fn a_function_needs_a_field_even_next_to_another_part() {
    for format in ["{user}{sha256}", "{user}{}", "{}", "{hmac:16}{user}", "x", ""] {
        assert_eq!(Format::parse(format).unwrap_err(), FormatError::NoField, "{format}");
    }
}

#[test]
fn a_container_key_depends_on_the_user_if_its_digest_comes_last() {
    for (text, expected) in [
        ("{hmac user chat}", true),
        ("{chat}-{sha256:8 user}", true),
        ("{seal user}", true),
        ("{hmac:32 user}_of-acme1", true),
        ("{hmac:8 user}{hmac:12 chat}", true),
        ("{session}", false),
        ("{user}", false),
        ("{hmac chat}", false),
        ("{hmac user}-{chat}", false),
        ("{hmac:32 user}{hmac:16 chat}", false),
        ("{hmac user}/x", false),
        ("{hmac:32 user}_a-longer-suffix", false),
        ("{seal chat}", false),
    ] {
        assert_eq!(Format::parse(text).unwrap().ends_with_user_digest(), expected, "{text}");
    }
}
