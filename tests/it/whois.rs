//! `whois` without a ledger: identifiers read back by the formats alone.

use callsign::config::{Config, ConfigInputs as Variables};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::identifier::Identifier;
use callsign_store::whois::{Candidates, Question, by_formats};
use sha2::{Digest, Sha256};

const SECRET: (&str, &str) = ("CALLSIGN_ID_SECRET", "a-secret-of-at-least-16-bytes");

fn config(variables: &[(&str, &str)], toml: &str) -> Config {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(&Variables::environment(variables).file(Some(file.path().to_owned()))).unwrap().config
}

/// Returns `kind user tenant` of each match.
fn found(config: &Config, identifier: &str, tenant: Option<&str>, candidates: &str) -> Vec<String> {
    let candidates = Candidates::new(candidates.to_owned());
    let found = by_formats(config.whois_scope(), Question { identifier, tenant, candidates: &candidates });
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    found.iter().map(|one| format!("{} {} {}", one.kind.name(), text(&one.user), text(&one.tenant))).collect()
}

fn sent(config: &Config, identifier: Identifier, tenant: Option<&str>) -> String {
    let caller = CallerIdentity { tenant, user: Some("alice"), chat: Some("c-1"), ..CallerIdentity::default() };
    config.tenants.policy_of(tenant).unwrap().render(identifier, &caller).unwrap()
}

#[test]
fn raw_and_prefixed_formats_are_read_back() {
    let config = config(&[("USER_ID_FORMAT", "acme_{user}")], "");
    assert_eq!(found(&config, "acme_alice", None, ""), ["user alice -"]);
    assert_eq!(found(&config, "other_alice", None, ""), [] as [&str; 0]);
    // A raw chat format matches any text but contains no user.
    assert_eq!(found(&config, "c-1", None, ""), [] as [&str; 0]);
}

#[test]
fn a_seal_is_decrypted_without_candidates() {
    let config = config(&[SECRET, ("USER_ID_FORMAT", "{seal user}"), ("CHAT_ID_FORMAT", "c_{seal user chat}")], "");
    assert_eq!(found(&config, &sent(&config, Identifier::User, None), None, ""), ["sealed alice -"]);
    assert_eq!(found(&config, &sent(&config, Identifier::Chat, None), None, ""), ["sealed alice -"]);
}

#[test]
fn hashes_are_compared_with_candidates() {
    let config = config(&[SECRET, ("USER_ID_FORMAT", "{hmac:32 user}"), ("CHAT_ID_FORMAT", "c_{hmac user chat}")], "");
    let (user, chat) = (sent(&config, Identifier::User, None), sent(&config, Identifier::Chat, None));
    assert_eq!(found(&config, &user, None, ""), [] as [&str; 0]);
    assert_eq!(found(&config, &user, None, "bob\nalice\ncarol\n"), ["user alice -"]);
    assert_eq!(found(&config, &user, None, "bob\ncarol\n"), [] as [&str; 0]);
    assert_eq!(found(&config, &chat, None, "alice\n"), [] as [&str; 0]);
    assert_eq!(found(&config, &chat, None, "alice\tc-1\nalice\tc-2\n"), ["chat alice -"]);
}

#[test]
fn the_digest_that_a_provider_reports_is_found() {
    let config = config(&[("OPENROUTER_ORG_ID", "org_1"), ("USER_ID_FORMAT", "{sha256:16 user}")], "");
    let sent = sent(&config, Identifier::User, None);
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("org_1-{sent}")));
    assert_eq!(found(&config, &digest, None, "bob\nalice"), ["upstream alice -"]);
    assert_eq!(found(&config, &digest.to_uppercase(), None, "bob\nalice"), ["upstream alice -"]);
    assert_eq!(found(&config, &digest, None, "bob"), [] as [&str; 0]);
}

#[test]
fn each_tenant_has_its_own_formats_and_secret() {
    let toml = "[[tenants]]\nname = \"acme\"\nformats = { user = \"{hmac user}\" }\nmissing_user = \"shared:everybody\"\n\
                [[tenants]]\nname = \"beta\"\nformats = { user = \"{hmac user}\" }\n";
    let config = config(&[SECRET, ("SEND_END_USER_ID", "true")], toml);
    let identifier = sent(&config, Identifier::User, Some("acme"));
    // Without a tenant the format is raw, so a user with exactly this id matches as well.
    assert_eq!(found(&config, &identifier, Some("acme"), "alice"), ["user alice acme"]);
    assert_eq!(found(&config, &identifier, Some("beta"), "alice"), [] as [&str; 0]);
    assert_eq!(found(&config, &identifier, None, "alice").len(), 2);
    assert_eq!(found(&config, "everybody", Some("acme"), ""), ["user - acme"]);
}
