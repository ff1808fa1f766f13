//! Console sessions. A cookie carries a random 256-bit id that is valid for twelve hours, and as long as its token is
//! configured.
//!
//! Sessions are stored in memory as digests of their ids. A restart ends all of them.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use callsign_core::secret::{KeyDigest, Secret};

/// Lifetime of a session.
pub(super) const LIFETIME: Duration = Duration::from_hours(12);
/// Maximum number of sessions. A further one ends the oldest.
const MOST: usize = 64;
/// The cookie's name.
const NAME: &str = "callsign_session";

/// The start of each session and the digest of its token, by the digest of its id.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<KeyDigest, (Instant, KeyDigest)>>);

impl Sessions {
    /// Begins a session of the token with this digest and returns the `set-cookie` value. `secure` adds the `Secure` attribute, for browsers that use
    /// TLS.
    ///
    /// # Errors
    /// An error if the operating system's random source fails.
    pub(super) fn begin(&self, token: KeyDigest, secure: bool) -> Result<HeaderValue, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let id = Secret::new(data_encoding::HEXLOWER.encode(&random));
        let now = Instant::now();
        let mut sessions = self.0.lock();
        sessions.retain(|_, (began, _)| now.duration_since(*began) < LIFETIME);
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, (began, _))| *began).map(|(digest, _)| *digest)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(id.digest(), (now, token));
        drop(sessions);
        Ok(cookie(id.expose(), LIFETIME.as_secs(), secure))
    }

    /// Returns the digest of the token of the request's session; `None` without a valid session.
    pub(super) fn token(&self, headers: &HeaderMap) -> Option<KeyDigest> {
        let now = Instant::now();
        let sessions = self.0.lock();
        ids(headers).find_map(|id| {
            let (began, token) = sessions.get(&KeyDigest::of(id.as_bytes()))?;
            (now.duration_since(*began) < LIFETIME).then_some(*token)
        })
    }

    /// Ends the request's session and returns a `set-cookie` value that removes the cookie.
    pub(super) fn end(&self, headers: &HeaderMap, secure: bool) -> HeaderValue {
        let mut sessions = self.0.lock();
        for id in ids(headers) {
            sessions.remove(&KeyDigest::of(id.as_bytes()));
        }
        cookie("", 0, secure)
    }
}

/// Formats a `set-cookie` value (RFC 6265). The id is hexadecimal and needs no quoting.
fn cookie(id: &str, seconds: u64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{NAME}={id}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn ids(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> KeyDigest {
        KeyDigest::of(b"token")
    }

    fn sent(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE, format!("theme=dark; {pair}").parse().unwrap())])
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lasts_twelve_hours_or_until_it_is_ended() {
        let sessions = Sessions::default();
        let set = sessions.begin(token(), false).unwrap();
        let text = set.to_str().unwrap();
        assert!(text.ends_with("; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200"), "{text}");
        assert_eq!(text.split(['=', ';']).nth(1).unwrap().len(), 64);
        let mine = sent(&set);
        let other = sent(&sessions.begin(token(), true).unwrap());
        assert_eq!([&mine, &other].map(|of| sessions.token(of)), [Some(token()); 2]);
        assert!(sessions.end(&other, true).to_str().unwrap().ends_with("Max-Age=0; Secure"));
        assert_eq!([&mine, &other].map(|of| sessions.token(of)), [Some(token()), None]);
        tokio::time::advance(LIFETIME.checked_sub(Duration::from_secs(1)).unwrap()).await;
        assert!(sessions.token(&mine).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(sessions.token(&mine).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_beyond_the_maximum_ends_the_oldest() {
        let sessions = Sessions::default();
        let mut all = Vec::new();
        for _ in 0..=MOST {
            all.push(sent(&sessions.begin(token(), false).unwrap()));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let known: Vec<_> = all.iter().map(|headers| sessions.token(headers).is_some()).collect();
        assert!(!known[0] && known[1..].iter().all(|known| *known), "{known:?}");
        assert_eq!(sessions.0.lock().len(), MOST);
    }

    #[test]
    fn malformed_and_foreign_cookies_are_no_session() {
        let sessions = Sessions::default();
        let id = sessions.begin(token(), false).unwrap();
        let pair = id.to_str().unwrap().split(';').next().unwrap().to_owned();
        for cookie in ["", "callsign_session", "callsign_session=", "x", &pair[..pair.len() - 1], &format!("x{pair}")] {
            let headers = HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())]);
            assert!(sessions.token(&headers).is_none(), "{cookie}");
        }
        assert!(sessions.token(&HeaderMap::new()).is_none());
    }
}
