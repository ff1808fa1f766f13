//! Decides which requests are archived: first by caller, then by sampling.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::archive::settings::Settings;
use callsign_core::identity::RenderedIds;

/// The archive's settings that select requests.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// True if an archive is configured.
    on: bool,
    /// `archive.by_default`: applies to callers whose key and tenant have no `archive` setting.
    by_default: bool,
    /// `None` archives all requests of the selected callers.
    sample: Option<Sample>,
}

#[derive(Clone)]
struct Sample {
    percent: u64,
    /// Keyed with the archive's password, so that callers cannot choose a chat id that is not sampled.
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sample").field("percent", &self.percent).finish_non_exhaustive()
    }
}

impl Selection {
    /// Creates the selection from settings.
    pub fn new(settings: &Settings) -> Self {
        let Some(place) = &settings.place else { return Self::default() };
        // Cannot fail: HMAC accepts keys of any length.
        let mac = Hmac::new_from_slice(place.password.expose().as_bytes()).ok();
        let sample = mac.filter(|_| settings.sample_percent < 100).map(|mut mac: Hmac<Sha256>| {
            mac.update(b"callsign archive sample\x1f");
            Sample { percent: settings.sample_percent, mac }
        });
        Self { on: true, by_default: settings.by_default, sample }
    }

    /// Returns true if the caller's requests may be archived. `setting` is the `archive` setting of the caller's key,
    /// or else of its tenant.
    pub fn wants(&self, setting: Option<bool>) -> bool {
        self.on && setting.unwrap_or(self.by_default)
    }

    /// Returns true if the request is in the sample. All requests of a chat get the same answer; a request without a
    /// chat is sampled at random.
    pub fn draws(&self, tenant: Option<&str>, names: &RenderedIds) -> bool {
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
    use crate::archive::settings::Place;
    use callsign_core::secret::Secret;

    fn selection(by_default: bool, sample_percent: u64) -> Selection {
        let password = Secret::new("correct horse battery staple");
        let place = Some(Place { directory: "x".into(), password });
        let settings = Settings { place, by_default, sample_percent, ..Settings::OFF };
        Selection::new(&settings)
    }

    #[test]
    fn a_callers_setting_overrides_the_default() {
        for by_default in [true, false] {
            let selection = selection(by_default, 100);
            assert_eq!(selection.wants(None), by_default);
            assert!(selection.wants(Some(true)) && !selection.wants(Some(false)));
        }
        assert!(!Selection::new(&Settings::OFF).wants(Some(true)), "off is off");
    }

    #[test]
    fn sampling_keeps_whole_chats_and_the_configured_share() {
        for percent in [1, 25, 99] {
            let selection = selection(true, percent);
            let drawn = |number: u32, chat: bool| {
                let names = RenderedIds {
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
