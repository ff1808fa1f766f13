//! What an entry of `[[issuers]]` says, each field by itself.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm;
use url::Url;

use crate::caller::issuer::preset::IssuerPreset;
use crate::config::headers::check_brought;
use crate::config::reader::Recorded;
use crate::config::stanza::Stanza;
use crate::config::values;
use crate::identifiers::secret::WeakSecret;
use crate::issuers;
use crate::secret::Secret;

/// Whose tokens those are when nobody says so.
const DEFAULT_PRESET: &str = "oidc";
/// Clocks that differ by more want mending; Clerk's tokens live for a minute only.
const MOST_LEEWAY_SECONDS: u64 = 300;

/// What an entry says, parsed field by field.
pub(super) struct Given {
    pub(super) name: Option<String>,
    pub(super) preset: &'static IssuerPreset,
    pub(super) issuer: Option<String>,
    pub(super) jwks_url: Option<Url>,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) secret: Option<Secret>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) audience: Vec<String>,
    pub(super) authorized_parties: Vec<String>,
    pub(super) header: Option<HeaderName>,
    pub(super) user_claim: Option<String>,
    pub(super) session_claim: Option<String>,
    pub(super) bring_chat: Option<HeaderName>,
    pub(super) bring_message: Option<HeaderName>,
    pub(super) leeway: Option<Duration>,
    pub(super) signer: Option<String>,
    pub(super) tenant: Option<String>,
}

impl Given {
    /// Reads it.
    pub(super) fn read(stanza: &mut Stanza<'_, '_>) -> Result<Self, Recorded> {
        let name =
            if stanza.is_variables() { Ok(None) } else { stanza.needed("name", "give it one", values::name).map(Some) };
        let preset = stanza.field("preset", |text| {
            IssuerPreset::find(text).ok_or_else(|| {
                let names: Vec<_> = IssuerPreset::names().collect();
                format!("names no issuer's preset; there are {}", names.join(", "))
            })
        });
        let issuer = stanza.field("issuer", values::name);
        let jwks_url = stanza.field("jwks_url", key_url);
        let jwks_file = stanza.field("jwks_file", values::path);
        let secret = stanza.field("secret", |text| {
            let secret = Secret::new(text);
            WeakSecret::refuse(&secret).map(|()| secret)
        });
        let algorithms = stanza.list("algorithms", algorithm);
        let audience = stanza.list("audience", values::name);
        let authorized_parties = stanza.list("authorized_parties", values::name);
        let header = stanza.field("header", token_header);
        let user_claim = stanza.field("claims.user", values::name);
        let session_claim = stanza.field("claims.session", values::name);
        let bring_chat = stanza.field("bring.chat", check_brought);
        let bring_message = stanza.field("bring.message", check_brought);
        let leeway = stanza
            .field("leeway_seconds", |text| values::number(0, MOST_LEEWAY_SECONDS)(text).map(Duration::from_secs));
        let signer = stanza.field("signer", values::name);
        let tenant = stanza.field("tenant", values::name);
        Ok(Self {
            name: name?,
            preset: match preset? {
                Some(preset) => preset,
                None => IssuerPreset::find(DEFAULT_PRESET).ok_or(Recorded)?,
            },
            issuer: issuer?,
            jwks_url: jwks_url?,
            jwks_file: jwks_file?,
            secret: secret?,
            algorithms: algorithms?,
            audience: audience?,
            authorized_parties: authorized_parties?,
            header: header?,
            user_claim: user_claim?,
            session_claim: session_claim?,
            bring_chat: bring_chat?,
            bring_message: bring_message?,
            leeway: leeway?,
            signer: signer?,
            tenant: tenant?,
        })
    }
}

fn algorithm(text: &str) -> Result<Algorithm, &'static str> {
    text.parse()
        .map_err(|_| "is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384 and HS512")
}

/// `authorization`, or a header in which identity may arrive.
fn token_header(text: &str) -> Result<HeaderName, String> {
    match values::header_name(text) {
        Ok(AUTHORIZATION) => Ok(AUTHORIZATION),
        _ => check_brought(text),
    }
}

/// A URL that keys may be fetched from.
pub(super) fn key_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL; write it as https://host/path")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has credentials in it, which nobody would send");
    }
    if !issuers::is_secure(&url) {
        return Err("is not https (plain http is for loopback only)");
    }
    Ok(url)
}
