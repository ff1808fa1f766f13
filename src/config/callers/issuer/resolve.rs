//! Fills in the fields of an issuer from its preset, and refuses contradictions between the two.

use jsonwebtoken::Algorithm;
use url::Url;

use super::raw::{Given, key_url};
use crate::config::reader::Reported;
use crate::config::table_reader::TableReader;
use callsign_core::auth::issuer::preset::{Audience, IssuerClaim, Keys, TokenProfile};
use callsign_core::auth::issuer::{KeySource, TokenRules};
use callsign_core::auth::jwks::KeySet;
use callsign_gateway::issuers::{self, FetchError};

/// Returns the accepted audiences.
pub(super) fn audience(given: &Given, table_reader: &mut TableReader<'_, '_>) -> Result<Vec<String>, Reported> {
    if !given.audience.is_empty() {
        return Ok(given.audience.clone());
    }
    // Firebase: the issuer URL ends with the project id, which is also the audience.
    if let (IssuerClaim::Audience(prefix), Some(issuer)) = (given.preset.issuer, &given.issuer)
        && let Some(project) = issuer.strip_prefix(prefix).filter(|project| !project.is_empty())
    {
        return Ok(vec![project.to_owned()]);
    }
    match given.preset.audience {
        Audience::Own | Audience::Recommended => Ok(Vec::new()),
        Audience::Default(audience) => Ok(vec![audience.to_owned()]),
        Audience::Required => {
            let hint = "without it tokens for other apps would be accepted (docs/identity describes where to find it)";
            table_reader.missing("audience", hint)
        }
    }
}

/// Returns the required value of `iss`; `None` if tokens carry none.
pub(super) fn says(
    given: &Given,
    audience: &[String],
    table_reader: &mut TableReader<'_, '_>,
) -> Result<Option<String>, Reported> {
    let preset = given.preset.name;
    let given_or_missing = |table_reader: &mut TableReader<'_, '_>| match &given.issuer {
        Some(issuer) => Ok(issuer.clone()),
        None => table_reader.missing("issuer", format!("the preset {preset} needs the iss of its tokens")),
    };
    Ok(Some(match given.preset.issuer {
        IssuerClaim::Fixed(issuer) => match &given.issuer {
            Some(other) if other != issuer => {
                return table_reader
                    .refuse("issuer", format!("is always {issuer} with the preset {preset}; remove it"));
            }
            _ => issuer.to_owned(),
        },
        IssuerClaim::Configured => given_or_missing(table_reader)?,
        IssuerClaim::WithoutSlash | IssuerClaim::WithSlash => {
            let issuer = given_or_missing(table_reader)?;
            if Url::parse(&issuer).is_ok_and(|url| url.has_host()) {
                let end = if given.preset.issuer == IssuerClaim::WithSlash { "/" } else { "" };
                format!("{}{end}", issuer.trim_end_matches('/'))
            } else {
                return table_reader.refuse("issuer", "expected a URL as in iss of its tokens, https://host/path");
            }
        }
        IssuerClaim::Audience(prefix) => match (&given.issuer, audience) {
            (Some(issuer), _) if issuer.starts_with(prefix) => issuer.clone(),
            (Some(_), _) => {
                let message = format!("must begin with {prefix} with the preset {preset}; remove it");
                return table_reader.refuse("issuer", message);
            }
            (None, [project]) => format!("{prefix}{project}"),
            (None, _) => {
                let message = format!("has several entries; set issuer to {prefix} and one of them");
                return table_reader.refuse("audience", message);
            }
        },
        IssuerClaim::Optional => return Ok(given.issuer.clone()),
        IssuerClaim::Absent if given.issuer.is_some() => {
            return table_reader.refuse("issuer", format!("is in no token with the preset {preset}; remove it"));
        }
        IssuerClaim::Absent => return Ok(None),
    }))
}

/// Returns the preset's additional rules for tokens.
pub(super) fn token_rules(given: &Given, table_reader: &mut TableReader<'_, '_>) -> Result<TokenRules, Reported> {
    match (given.preset.profile, &given.signer) {
        (TokenProfile::AwsAlb, Some(signer)) => Ok(TokenRules::AwsAlb { signer: signer.clone() }),
        (TokenProfile::AwsAlb, None) => {
            table_reader.missing("signer", "set the load balancer's ARN: those of all AWS accounts share their keys")
        }
        (_, Some(_)) => table_reader.refuse("signer", "applies only to the preset aws-alb; remove it"),
        (TokenProfile::None, None) => Ok(TokenRules::None),
        (TokenProfile::Clerk, None) => Ok(TokenRules::Clerk),
        (TokenProfile::Supabase, None) => Ok(TokenRules::Supabase),
        (TokenProfile::OpenWebUiSession, None) => Ok(TokenRules::OpenWebUiSession),
    }
}

/// Returns the source of its keys.
pub(super) fn key_source(
    given: &Given,
    issuer: Option<&str>,
    table_reader: &mut TableReader<'_, '_>,
) -> Result<KeySource, Reported> {
    match (&given.jwks_url, &given.jwks_file, &given.secret) {
        (Some(url), None, None) if given.preset.keys == Keys::PemByKid => Ok(KeySource::PemByKid(url.to_string())),
        (Some(url), None, None) => Ok(KeySource::Jwks(url.to_string())),
        (None, Some(file), None) => Ok(KeySource::File(file.clone())),
        (None, None, Some(secret)) => Ok(KeySource::Secret(secret.clone())),
        (None, None, None) => default_key_source(given, issuer.unwrap_or_default(), table_reader),
        _ => {
            let source = table_reader.source.clone();
            table_reader.reader.refuse(source, "has more than one of jwks_url, jwks_file and secret; keep one")
        }
    }
}

fn default_key_source(
    given: &Given,
    issuer: &str,
    table_reader: &mut TableReader<'_, '_>,
) -> Result<KeySource, Reported> {
    let base = issuer.trim_end_matches('/');
    let scheme = if base.contains("://") { "" } else { "https://" };
    let (url, source) = match given.preset.keys {
        Keys::At(url) => (url.to_owned(), KeySource::Jwks(url.to_owned())),
        Keys::Below(path) => {
            let url = format!("{scheme}{base}{path}");
            (url.clone(), KeySource::Jwks(url))
        }
        Keys::Discovered => (issuer.to_owned(), KeySource::Discovery(issuer.to_owned())),
        Keys::PemByKid => {
            return table_reader.missing("jwks_url", "set it to https://public-keys.auth.elb.REGION.amazonaws.com");
        }
        Keys::Secret => {
            return table_reader.missing("secret", "set it, or secret_file, to the secret that the app signs with");
        }
    };
    match key_url(&url) {
        Ok(_) => Ok(source),
        Err(error) => table_reader.refuse("issuer", format!("{error}; or set jwks_url, the URL of its keys")),
    }
}

/// Returns the accepted algorithms. They must match the kind of key: a public key must not be used as a secret (RFC
/// 8725, section 2.1).
pub(super) fn algorithms(
    given: &Given,
    keys: &KeySource,
    table_reader: &mut TableReader<'_, '_>,
) -> Result<Vec<Algorithm>, Reported> {
    let secret = matches!(keys, KeySource::Secret(_));
    let algorithms = match given.algorithms.as_slice() {
        // A shared secret verifies only HMAC signatures.
        [] if secret => vec![Algorithm::HS256],
        [] => given.preset.algorithms.to_vec(),
        given => given.to_vec(),
    };
    if algorithms.iter().any(|algorithm| is_symmetric(*algorithm) != secret) {
        return table_reader.refuse(
            "algorithms",
            "does not fit its keys: HS256, HS384 and HS512 need secret, all others jwks_url or jwks_file",
        );
    }
    if matches!(keys, KeySource::PemByKid(_)) && algorithms != [Algorithm::ES256] {
        let message = "does not fit its keys: load balancers sign with ES256 only; remove it";
        return table_reader.refuse("algorithms", message);
    }
    Ok(algorithms)
}

fn is_symmetric(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

/// Returns the keys that need no network. A file without keys is a problem at start, not at the first request.
pub(super) fn initial(keys: &KeySource, table_reader: &mut TableReader<'_, '_>) -> Result<KeySet, Reported> {
    issuers::initial(keys).or_else(|error| {
        let message = match error {
            FetchError::File(error) => format!("names a file that cannot be read: {error}; check path and permissions"),
            FetchError::Keys(error) => format!("names a file that {error}"),
            other => other.to_string(),
        };
        table_reader.refuse("jwks_file", message)
    })
}
