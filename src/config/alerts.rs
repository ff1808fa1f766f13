//! Parses the settings of alerts (docs/SPEC.md#alerts).

use callsign_core::secret::Secret;
use url::Url;

use super::reader::{Reader, Reported};
use super::values;

/// The destinations of alerts, and the way they name people.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    /// `CALLSIGN_ALERT_WEBHOOK`: a URL that holds a secret. Without it there are no alerts.
    pub webhook: Option<Secret>,
    /// True if alerts name users by their id even if that is what the user format writes.
    pub name_people: bool,
}

impl Alerts {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Reported> {
        let webhook = reader.optional("alerts.webhook", webhook);
        let name_people = reader.required("alerts.name_people", values::switch);
        Ok(Self { webhook: webhook?, name_people: name_people? })
    }
}

/// Parses the URL. Messages do not show it.
fn webhook(text: &str) -> Result<Secret, &'static str> {
    const MESSAGE: &str = "expected an https URL, or an http URL of this machine, as http://127.0.0.1:9000/alerts";
    let url: Url = text.parse().map_err(|_| MESSAGE)?;
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(Secret::new(text)),
        "http" if is_here => Ok(Secret::new(text)),
        _ => Err(MESSAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        for text in
            ["https://hooks.slack.com/services/T0/B0/x", "http://127.0.0.1:9/x", "http://[::1]/", "http://localhost/x"]
        {
            assert!(webhook(text).is_ok(), "{text}");
        }
        for text in ["", "http://hooks.example/x", "http://localhost.example/", "ftp://127.0.0.1/", "hooks.example"] {
            let refused = webhook(text).unwrap_err();
            assert!(
                refused.starts_with("expected an https URL") && (text.is_empty() || !refused.contains(text)),
                "{text}"
            );
        }
    }
}
