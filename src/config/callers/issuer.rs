//! `[[issuers]]`, and the variables for one issuer: whose tokens are believed, and where their keys come from. A preset
//! fills in what is not given ([`IssuerPreset`]).

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm;
use url::Url;

use super::super::headers::check_brought;
use super::super::reader::{Reader, Recorded};
use super::super::stanza::Stanza;
use super::super::values;
use crate::caller::issuer::preset::{Audience, IssuerPreset, Keys, Says, Snare};
use crate::caller::issuer::{Issuer, KeySource};
use crate::caller::jwt::Trap;
use crate::caller::key_set::KeySet;
use crate::identifiers::secret::WeakSecret;
use crate::issuers::{self, FetchError};
use crate::secret::Secret;

/// One issuer, ready for use.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// What its tokens are held to.
    pub rules: Issuer,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Those that are there without asking over the network.
    pub initial: KeySet,
    /// Which kind of issuer it is.
    pub preset: &'static IssuerPreset,
    /// Where it was configured, for messages.
    pub source: String,
}

impl TokenIssuer {
    /// Whether its tokens are credentials, which need no key beside them.
    pub fn is_credential(&self) -> bool {
        self.rules.header == AUTHORIZATION
    }
}

/// The fields that have a variable.
const VARIABLES: [(&str, &str); 6] = [
    ("preset", "CALLSIGN_ISSUER_PRESET"),
    ("issuer", "CALLSIGN_ISSUER"),
    ("jwks_url", "CALLSIGN_JWKS_URL"),
    ("secret", "CALLSIGN_JWT_SECRET"),
    ("audience", "CALLSIGN_AUDIENCE"),
    ("authorized_parties", "CALLSIGN_AUTHORIZED_PARTIES"),
];
/// Whose tokens those are when nobody says so.
const DEFAULT_PRESET: &str = "oidc";
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
/// Clocks that differ by more want mending; Clerk's tokens live for a minute only.
const MOST_LEEWAY_SECONDS: u64 = 300;

/// Every issuer, those of the file first.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<TokenIssuer>, Recorded> {
    let entries = reader.layers.tables("issuers").into_iter();
    let mut read: Vec<_> = entries.map(|entry| read_one(Stanza::entry(reader, "issuers", &entry))).collect();
    read.extend(Stanza::variables(reader, &VARIABLES).map(read_one));
    let issuers = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut result = Ok(());
    for (index, issuer) in issuers.iter().enumerate() {
        let earlier = || issuers.iter().take(index);
        if earlier().any(|other| other.rules.name == issuer.rules.name) {
            result = reader.refuse(&issuer.source, "has the name of another issuer; give each its own");
        }
        let rules = &issuer.rules;
        let told_apart =
            |other: &TokenIssuer| other.rules.header != AUTHORIZATION || other.rules.issuer != rules.issuer;
        if rules.header == AUTHORIZATION && !earlier().all(told_apart) {
            let message = "cannot be told from an earlier issuer: tokens of both arrive in Authorization and say the same \
                           in iss; remove one, or have one arrive in a header of its own";
            result = reader.refuse(&issuer.source, message);
        }
    }
    result.map(|()| issuers)
}

/// What an entry says, parsed field by field.
struct Given {
    name: Option<String>,
    preset: &'static IssuerPreset,
    issuer: Option<String>,
    jwks_url: Option<Url>,
    jwks_file: Option<PathBuf>,
    secret: Option<Secret>,
    algorithms: Vec<Algorithm>,
    audience: Vec<String>,
    authorized_parties: Vec<String>,
    header: Option<HeaderName>,
    user_claim: Option<String>,
    session_claim: Option<String>,
    bring_chat: Option<HeaderName>,
    bring_message: Option<HeaderName>,
    leeway: Option<Duration>,
    signer: Option<String>,
    tenant: Option<String>,
}

impl Given {
    fn read(stanza: &mut Stanza<'_, '_>) -> Result<Self, Recorded> {
        let name = match stanza.is_variables() {
            true => Ok(None),
            false => stanza.needed("name", "give it one", values::name).map(Some),
        };
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

fn read_one(mut stanza: Stanza<'_, '_>) -> Result<TokenIssuer, Recorded> {
    let given = Given::read(&mut stanza)?;
    let preset = given.preset;
    let audience = audience(&given, &mut stanza);
    let issuer = match &audience {
        Ok(audience) => says(&given, audience, &mut stanza),
        Err(Recorded) => Err(Recorded),
    };
    let trap = trap(&given, &mut stanza);
    let keys = match &issuer {
        Ok(issuer) => key_source(&given, issuer.as_deref(), &mut stanza),
        Err(Recorded) => Err(Recorded),
    };
    let (audience, issuer, trap, keys) = (audience?, issuer?, trap?, keys?);
    let algorithms = algorithms(&given, &keys, &mut stanza)?;
    let initial = initial(&keys, &mut stanza)?;
    let header = |name: Option<HeaderName>, own: &'static str| name.unwrap_or(HeaderName::from_static(own));
    Ok(TokenIssuer {
        rules: Issuer {
            name: given.name.unwrap_or_else(|| preset.name.to_owned()),
            tenant: given.tenant,
            issuer,
            algorithms,
            audience,
            authorized_parties: given.authorized_parties,
            header: header(given.header, preset.header),
            user_claim: given.user_claim.unwrap_or_else(|| preset.user.to_owned()),
            session_claim: given.session_claim.or(preset.session.map(str::to_owned)),
            bring_chat: Some(header(given.bring_chat, preset.chat)),
            bring_message: Some(header(given.bring_message, preset.message)),
            leeway: given.leeway.unwrap_or(DEFAULT_LEEWAY),
            padded: preset.snare == Snare::AwsAlb,
            trap,
        },
        keys,
        initial,
        preset,
        source: stanza.source,
    })
}

/// The audiences that a token may name.
fn audience(given: &Given, stanza: &mut Stanza<'_, '_>) -> Result<Vec<String>, Recorded> {
    if !given.audience.is_empty() {
        return Ok(given.audience.clone());
    }
    // A project's id stands in both.
    if let (Says::Audience(prefix), Some(issuer)) = (given.preset.says, &given.issuer)
        && let Some(project) = issuer.strip_prefix(prefix)
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
fn says(given: &Given, audience: &[String], stanza: &mut Stanza<'_, '_>) -> Result<Option<String>, Recorded> {
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
        Says::WithoutSlash => given_or_missing(stanza)?.trim_end_matches('/').to_owned(),
        Says::WithSlash => format!("{}/", given_or_missing(stanza)?.trim_end_matches('/')),
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

fn trap(given: &Given, stanza: &mut Stanza<'_, '_>) -> Result<Trap, Recorded> {
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

fn key_source(given: &Given, issuer: Option<&str>, stanza: &mut Stanza<'_, '_>) -> Result<KeySource, Recorded> {
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
fn algorithms(given: &Given, keys: &KeySource, stanza: &mut Stanza<'_, '_>) -> Result<Vec<Algorithm>, Recorded> {
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
fn initial(keys: &KeySource, stanza: &mut Stanza<'_, '_>) -> Result<KeySet, Recorded> {
    issuers::initial(keys).or_else(|error| {
        let message = match error {
            FetchError::File(error) => format!("names a file that cannot be read: {error}"),
            FetchError::Keys(error) => format!("names a file that {error}"),
            other => other.to_string(),
        };
        stanza.refuse("jwks_file", message)
    })
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
fn key_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL; write it as https://host/path")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has credentials in it, which nobody would send");
    }
    if !issuers::is_secure(&url) {
        return Err("is not https (plain http is for loopback only)");
    }
    Ok(url)
}
