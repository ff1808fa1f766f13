//! The webhook's request: JSON with a text for Slack, and a signature (docs/SPEC.md#alerts).

use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::identifier::Identifier;
use callsign_core::secret::{KeyDigest, Secret};
use callsign_core::tenant::Tenants;
use callsign_core::visible::printable;
use callsign_telemetry::alerts::{Alert, AlertKind, AlertPerson};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;

use crate::config::Config;

/// Hexadecimal digits of the digest that stands for a user.
const DIGITS: usize = 16;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: &'static str,
    /// Equal for all attempts to send it, so that the receiver can tell a repetition.
    id: String,
    /// Seconds since 1970.
    time: i64,
    pub(super) body: String,
}

impl Message {
    /// Writes the message of an alert.
    pub(super) fn of(alert: &Alert, config: &Config) -> Self {
        let person = alert.person.as_ref().map(|person| name(person, &config.tenants, config.alerts.name_people));
        Self::new(alert.kind.name(), &alert.subject, person.as_deref(), &words(alert, person.as_deref()))
    }

    /// Writes a message about alerts that were not sent.
    pub(super) fn summary(left_out: u64) -> Self {
        let text = format!("{left_out} further alerts were left out in the last hour; see the log and the console");
        Self::new("summary", "", None, &text)
    }

    fn new(kind: &'static str, subject: &str, person: Option<&str>, text: &str) -> Self {
        let now = Timestamp::now();
        let id = KeyDigest::of(format!("{kind} {subject} {person:?} {now}").as_bytes()).to_hex();
        let text = format!("callsign: {}", escaped(&printable(text)));
        let body = json!({
            "text": text,
            "kind": kind,
            "subject": subject,
            "person": person,
            "id": id,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        });
        Self { kind, id, time: now.as_second(), body: body.to_string() }
    }

    /// Returns the headers. The signature is the one of "Standard Webhooks": HMAC-SHA256 of id, time and body, joined by
    /// dots. Its key is the webhook's URL, which only the sender and the receiver know.
    pub(super) fn signed(&self, webhook: &Secret) -> [(&'static str, String); 4] {
        let signature = Hmac::<Sha256>::new_from_slice(webhook.expose().as_bytes()).map(|mac| {
            let signed = format!("{}.{}.{}", self.id, self.time, self.body);
            data_encoding::BASE64.encode(&mac.chain_update(signed).finalize().into_bytes())
        });
        [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", self.time.to_string()),
            // HMAC takes keys of any length, so there always is a signature.
            ("webhook-signature", format!("v1,{}", signature.unwrap_or_default())),
        ]
    }
}

/// Names a user as the user format writes them; by a digest if that is the id itself, unless the operator wants ids.
fn name(person: &AlertPerson, tenants: &Tenants, name_people: bool) -> String {
    let AlertPerson { tenant, user } = person;
    let caller = CallerIdentity { tenant: tenant.as_deref(), user: Some(user), ..CallerIdentity::default() };
    let written = tenants.policy_or_operator(tenant.as_deref()).render(Identifier::User, &caller);
    match written {
        Some(written) if name_people || !written.contains(user.as_str()) => written,
        _ if name_people => user.clone(),
        _ => {
            let digest = KeyDigest::of(user.as_bytes()).to_hex();
            format!("sha256:{}", digest.get(..DIGITS).unwrap_or_default())
        }
    }
}

/// Says what happened, and what to do.
fn words(alert: &Alert, person: Option<&str>) -> String {
    let (subject, who) = (&alert.subject, person.unwrap_or("callers without a user"));
    match alert.kind {
        AlertKind::BudgetWarning => format!("80 % of {subject} is used by {who}"),
        AlertKind::BudgetExhausted => format!("{subject} is used up; requests of {who} are refused"),
        AlertKind::AutoBlock => format!("{who} is suspended: {subject}"),
        AlertKind::Unattributed => {
            format!("key {subject} sends requests without a user; OpenRouter cannot tell who sent them")
        }
        AlertKind::Collision => format!("several users are sent as {subject}; make the format distinct"),
        AlertKind::Degraded => format!("degraded: {subject}"),
        AlertKind::CostBacklog => "more than 1,000 requests wait for their cost; see `callsign reconcile`".to_owned(),
        AlertKind::Test => "this is a test of the alerts".to_owned(),
    }
}

/// Escapes a text for Slack, so that no name becomes a link or mentions a channel.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use callsign_core::identity::format::Format;
    use callsign_core::identity::{Formats, Policy};

    fn tenants(format: &str) -> Tenants {
        let mut formats = Formats::defaults().unwrap();
        formats[Identifier::User] = Format::parse(format).unwrap();
        Tenants { operator: Policy::new(formats), list: Vec::new() }
    }

    #[test]
    fn people_are_named_as_the_format_writes_them_or_by_a_digest() {
        let alice = AlertPerson { tenant: None, user: "alice".to_owned() };
        // printf alice | sha256sum
        for (format, name_people, expected) in [
            ("{user}", false, "sha256:2bd806c97f0e00af"),
            ("acme_{user}", false, "sha256:2bd806c97f0e00af"),
            ("{user}", true, "alice"),
            ("acme_{sha256:16 user}", false, "acme_2bd806c97f0e00af"),
        ] {
            assert_eq!(name(&alice, &tenants(format), name_people), expected, "{format}");
        }
    }

    #[test]
    fn a_message_is_signed_and_its_text_is_no_markup() {
        let message = Message::new("unattributed", "<!channel>", None, "key <!channel> & co\u{202e}");
        assert!(message.body.contains("callsign: key &lt;!channel&gt; &amp; co\\\\u{202e}"), "{}", message.body);
        let message = Message { id: "1".to_owned(), time: 2, body: "{}".to_owned(), ..message };
        let [.., (_, signature)] = message.signed(&Secret::new("https://hooks.example/secret"));
        // printf '1.2.{}' | openssl dgst -sha256 -hmac https://hooks.example/secret -binary | base64
        assert_eq!(signature, "v1,TtSnLAWqPyGaO2yGvSWBaA7Bg/00geBf8qVjbQlYSJg=");
    }
}
