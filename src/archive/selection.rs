//! Which requests are archived: the valves, then the sample.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::config;
use crate::identifiers::Names;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Whether anything is archived.
    on: bool,
    /// Whether callers are of whose key and tenant it is not said.
    everybody: bool,
    /// `None`: every one of them.
    sample: Option<Sample>,
}

#[derive(Clone)]
struct Sample {
    percent: u64,
    /// Keyed, so that no caller can choose a chat that is not drawn.
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sample").field("percent", &self.percent).finish_non_exhaustive()
    }
}

impl Selection {
    /// As configured.
    pub fn new(settings: &config::Archive) -> Self {
        let Some(place) = &settings.place else { return Self::default() };
        // A key of any length will do.
        let mac = Hmac::new_from_slice(place.password.expose().as_bytes()).ok();
        let sample = mac.filter(|_| settings.sample_percent < 100).map(|mut mac: Hmac<Sha256>| {
            mac.update(b"callsign archive sample\x1f");
            Sample { percent: settings.sample_percent, mac }
        });
        Self { on: true, everybody: settings.everybody, sample }
    }

    /// Whether a caller's requests are archived at all; `said` is its key's word or else its tenant's.
    pub fn wants(&self, said: Option<bool>) -> bool {
        self.on && said.unwrap_or(self.everybody)
    }

    /// Whether a request is in the sample: of a conversation all or none.
    pub fn draws(&self, tenant: Option<&str>, names: &Names) -> bool {
        let Some(Sample { percent, mac }) = &self.sample else { return true };
        let mut mac = mac.clone();
        match &names.chat {
            Some(chat) => {
                for part in [tenant, names.user.as_deref(), Some(chat)] {
                    mac.update(part.unwrap_or_default().as_bytes());
                    mac.update(b"\x1f");
                }
            }
            None => mac.update(Uuid::now_v7().as_bytes()),
        }
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let [a, b, c, d, ..] = digest;
        u64::from(u32::from_be_bytes([a, b, c, d])) * 100 < percent << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn selection(everybody: bool, sample_percent: u64) -> Selection {
        let password = Secret::new("correct horse battery staple");
        let place = Some(config::Place { directory: "x".into(), password });
        let settings = config::Archive { place, everybody, sample_percent, ..config::Archive::OFF };
        Selection::new(&settings)
    }

    #[test]
    fn a_word_on_the_caller_wins_over_the_valve_for_all() {
        for everybody in [true, false] {
            let selection = selection(everybody, 100);
            assert_eq!(selection.wants(None), everybody);
            assert!(selection.wants(Some(true)) && !selection.wants(Some(false)));
        }
        assert!(!Selection::new(&config::Archive::OFF).wants(Some(true)), "off is off");
    }

    #[test]
    fn a_sample_is_of_conversations_and_about_as_large_as_said() {
        for percent in [1, 25, 99] {
            let selection = selection(true, percent);
            let drawn = |number: u32, chat: bool| {
                let names = Names {
                    user: Some("alice".to_owned()),
                    chat: chat.then(|| format!("chat-{number}")),
                    message: Some(number.to_string()),
                };
                selection.draws(Some("acme"), &names)
            };
            for chat in [true, false] {
                let count = (0..4_000).filter(|number| drawn(*number, chat)).count() as u64;
                assert!(count.abs_diff(percent * 40) < 200, "{count} of 4000 for {percent} %");
            }
            assert!((0..50).all(|number| drawn(number, true) == drawn(number, true)));
        }
    }
}
