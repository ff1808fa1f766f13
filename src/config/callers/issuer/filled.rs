//! What an issuer's preset fills in, and what the two together may not say.

use jsonwebtoken::Algorithm;
use url::Url;

use super::given::{Given, key_url};
use crate::caller::issuer::KeySource;
use crate::caller::issuer::preset::{Audience, Keys, Says, Snare};
use crate::caller::jwt::Trap;
use crate::caller::key_set::KeySet;
use crate::config::reader::Recorded;
use crate::config::stanza::Stanza;
use crate::issuers::{self, FetchError};

/// The audiences that a token may name.
pub(super) fn audience(given: &Given, stanza: &mut Stanza<'_, '_>) -> Result<Vec<String>, Recorded> {
    if !given.audience.is_empty() {
        return Ok(given.audience.clone());
    }
    // A project's id stands in both.
    if let (Says::Audience(prefix), Some(issuer)) = (given.preset.says, &given.issuer)
        && let Some(project) = issuer.strip_prefix(prefix).filter(|project| !project.is_empty())
    {
        return Ok(vec![project.to_owned()]);
    }
    match given.preset.audience {
        Audience::Own | Audience::Advised => Ok(Vec::new()),
        Audience::Default(audience) => Ok(vec![audience.to_owned()]),
        Audience::Needed => {
            let hint =
                "without it a token that was meant for any other app would do (docs/identity says where it stands)";
            stanza.missing("audience", hint)
        }
    }
}

/// What tokens must say in `iss`.
pub(super) fn says(
    given: &Given,
    audience: &[String],
    stanza: &mut Stanza<'_, '_>,
) -> Result<Option<String>, Recorded> {
    let preset = given.preset.name;
    let given_or_missing = |stanza: &mut Stanza<'_, '_>| match &given.issuer {
        Some(issuer) => Ok(issuer.clone()),
        None => stanza.missing("issuer", format!("the preset {preset} needs what its tokens say in iss")),
    };
    Ok(Some(match given.preset.says {
        Says::Always(issuer) => match &given.issuer {
            Some(other) if other != issuer => {
                return stanza.refuse("issuer", format!("is always {issuer} with the preset {preset}; leave it out"));
            }
            _ => issuer.to_owned(),
        },
        Says::Given => given_or_missing(stanza)?,
        Says::WithoutSlash | Says::WithSlash => {
            let issuer = given_or_missing(stanza)?;
            if Url::parse(&issuer).is_ok_and(|url| url.has_host()) {
                let end = if given.preset.says == Says::WithSlash { "/" } else { "" };
                format!("{}{end}", issuer.trim_end_matches('/'))
            } else {
                return stanza.refuse("issuer", "is no URL; write it as its tokens do, https://host/path");
            }
        }
        Says::Audience(prefix) => match (&given.issuer, audience) {
            (Some(issuer), _) if issuer.starts_with(prefix) => issuer.clone(),
            (Some(_), _) => {
                let message = format!("begins with {prefix} with the preset {preset}; leave it out");
                return stanza.refuse("issuer", message);
            }
            (None, [project]) => format!("{prefix}{project}"),
            (None, _) => {
                let message = format!("has several entries, so that issuer must be given: {prefix} and one of them");
                return stanza.refuse("audience", message);
            }
        },
        Says::Perhaps => return Ok(given.issuer.clone()),
        Says::Never if given.issuer.is_some() => {
            return stanza.refuse("issuer", format!("is in no token with the preset {preset}; leave it out"));
        }
        Says::Never => return Ok(None),
    }))
}

/// What else it signs.
pub(super) fn trap(given: &Given, stanza: &mut Stanza<'_, '_>) -> Result<Trap, Recorded> {
    match (given.preset.snare, &given.signer) {
        (Snare::AwsAlb, Some(signer)) => Ok(Trap::AwsAlb { signer: signer.clone() }),
        (Snare::AwsAlb, None) => {
            stanza.missing("signer", "give the load balancer's ARN: every account's share their keys")
        }
        (_, Some(_)) => stanza.refuse("signer", "is for aws-alb only; remove it"),
        (Snare::None, None) => Ok(Trap::None),
        (Snare::Clerk, None) => Ok(Trap::Clerk),
        (Snare::Supabase, None) => Ok(Trap::Supabase),
        (Snare::OpenWebUiSession, None) => Ok(Trap::OpenWebUiSession),
    }
}

/// Where its keys come from.
pub(super) fn key_source(
    given: &Given,
    issuer: Option<&str>,
    stanza: &mut Stanza<'_, '_>,
) -> Result<KeySource, Recorded> {
    match (&given.jwks_url, &given.jwks_file, &given.secret) {
        (Some(url), None, None) if given.preset.keys == Keys::PemByKid => Ok(KeySource::PemByKid(url.to_string())),
        (Some(url), None, None) => Ok(KeySource::Jwks(url.to_string())),
        (None, Some(file), None) => Ok(KeySource::File(file.clone())),
        (None, None, Some(secret)) => Ok(KeySource::Secret(secret.clone())),
        (None, None, None) => default_key_source(given, issuer.unwrap_or_default(), stanza),
        _ => {
            let source = stanza.source.clone();
            stanza.reader.refuse(source, "has more than one of jwks_url, jwks_file and secret; keep one")
        }
    }
}

fn default_key_source(given: &Given, issuer: &str, stanza: &mut Stanza<'_, '_>) -> Result<KeySource, Recorded> {
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
            return stanza.missing("jwks_url", "give https://public-keys.auth.elb.REGION.amazonaws.com");
        }
        Keys::Secret => {
            return stanza.missing("secret", "put what the app signs with into a file and name it (secret_file)");
        }
    };
    match key_url(&url) {
        Ok(_) => Ok(source),
        Err(error) => stanza.refuse("issuer", format!("{error}; or say where its keys are (jwks_url)")),
    }
}

/// The algorithms, which fit the kind of key: a public key must never be taken for a secret (RFC 8725, section 2.1).
pub(super) fn algorithms(
    given: &Given,
    keys: &KeySource,
    stanza: &mut Stanza<'_, '_>,
) -> Result<Vec<Algorithm>, Recorded> {
    let secret = matches!(keys, KeySource::Secret(_));
    let algorithms = match given.algorithms.as_slice() {
        // A secret verifies nothing else.
        [] if secret => vec![Algorithm::HS256],
        [] => given.preset.algorithms.to_vec(),
        given => given.to_vec(),
    };
    if algorithms.iter().any(|algorithm| is_symmetric(*algorithm) != secret) {
        return stanza.refuse(
            "algorithms",
            "does not fit its keys: HS256, HS384 and HS512 go with a secret, all others with jwks_url or jwks_file",
        );
    }
    if matches!(keys, KeySource::PemByKid(_)) && algorithms != [Algorithm::ES256] {
        return stanza.refuse("algorithms", "does not fit its keys: load balancers sign with ES256 only");
    }
    Ok(algorithms)
}

fn is_symmetric(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

/// The keys that are there already; a file that has none is a problem now and not at the first request.
pub(super) fn initial(keys: &KeySource, stanza: &mut Stanza<'_, '_>) -> Result<KeySet, Recorded> {
    issuers::initial(keys).or_else(|error| {
        let message = match error {
            FetchError::File(error) => format!("names a file that cannot be read: {error}"),
            FetchError::Keys(error) => format!("names a file that {error}"),
            other => other.to_string(),
        };
        stanza.refuse("jwks_file", message)
    })
}
