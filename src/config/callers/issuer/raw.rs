//! Parses the fields of an issuer one by one. `resolve` fills in defaults and checks them together.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm;
use url::Url;

use crate::config::headers::check_brought;
use crate::config::reader::Reported;
use crate::config::table_reader::TableReader;
use crate::config::values;
use callsign_core::auth::issuer::preset::IssuerPreset;
use callsign_core::identity::secret::WeakSecretError;
use callsign_core::secret::Secret;
use callsign_gateway::issuers;

/// The preset of an issuer that sets none.
const DEFAULT_PRESET: &str = "oidc";
/// Maximum leeway in seconds. Larger clock differences should be fixed; Clerk's tokens are valid for only 60 seconds.
const MOST_LEEWAY_SECONDS: u64 = 300;

/// The parsed fields of an issuer.
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
    pub(super) chat_header: Option<HeaderName>,
    pub(super) message_header: Option<HeaderName>,
    pub(super) leeway: Option<Duration>,
    pub(super) signer: Option<String>,
    pub(super) tenant: Option<String>,
}

impl Given {
    /// Reads all fields.
    pub(super) fn read(table_reader: &mut TableReader<'_, '_>) -> Result<Self, Reported> {
        let name = if table_reader.is_variables() {
            Ok(None)
        } else {
            table_reader.needed("name", "set it", values::caller_name).map(Some)
        };
        let preset = table_reader.field("preset", |text| {
            IssuerPreset::find(text).ok_or_else(|| {
                let names: Vec<_> = IssuerPreset::names().collect();
                format!("is not the preset of a token issuer; there are {}", names.join(", "))
            })
        });
        let issuer = table_reader.field("issuer", values::name);
        let jwks_url = table_reader.field("jwks_url", key_url);
        let jwks_file = table_reader.field("jwks_file", values::path);
        let secret = table_reader.field("secret", |text| {
            let secret = Secret::new(text);
            WeakSecretError::check(&secret).map(|()| secret)
        });
        let algorithms = table_reader.list("algorithms", algorithm);
        let audience = table_reader.list("audience", values::name);
        let authorized_parties = table_reader.list("authorized_parties", values::name);
        let header = table_reader.field("header", token_header);
        let user_claim = table_reader.field("claims.user", values::name);
        let session_claim = table_reader.field("claims.session", values::name);
        let chat_header = table_reader.field("headers.chat", check_brought);
        let message_header = table_reader.field("headers.message", check_brought);
        let leeway = table_reader
            .field("leeway_seconds", |text| values::number(0, MOST_LEEWAY_SECONDS)(text).map(Duration::from_secs));
        let signer = table_reader.field("signer", values::name);
        let tenant = table_reader.field("tenant", values::name);
        Ok(Self {
            name: name?,
            preset: match preset? {
                Some(preset) => preset,
                None => IssuerPreset::find(DEFAULT_PRESET).ok_or(Reported)?,
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
            chat_header: chat_header?,
            message_header: message_header?,
            leeway: leeway?,
            signer: signer?,
            tenant: tenant?,
        })
    }
}

fn algorithm(text: &str) -> Result<Algorithm, &'static str> {
    text.parse()
        .map_err(|_| "expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384 or HS512")
}

/// Parses the header of tokens: `authorization`, or a header that may carry identity.
fn token_header(text: &str) -> Result<HeaderName, String> {
    match values::header_name(text) {
        Ok(AUTHORIZATION) => Ok(AUTHORIZATION),
        _ => check_brought(text),
    }
}

/// Parses a URL from which keys may be fetched.
pub(super) fn key_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "expected a URL, as https://host/path")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains credentials, which callsign does not send; remove them");
    }
    if !issuers::is_secure(&url) {
        return Err("is not https; plain http is accepted for loopback addresses only");
    }
    Ok(url)
}
