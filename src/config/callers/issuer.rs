//! `[[issuers]]`, and the variables for one issuer: whose tokens are believed, and where their keys come from. A preset
//! fills in what is not given ([`IssuerPreset`]).

mod filled;
mod given;

use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::super::reader::{Reader, Recorded};
use super::super::stanza::Stanza;
use crate::caller::issuer::preset::{IssuerPreset, Snare};
use crate::caller::issuer::{Issuer, KeySource};
use crate::caller::key_set::KeySet;
use given::Given;

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
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

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

fn read_one(mut stanza: Stanza<'_, '_>) -> Result<TokenIssuer, Recorded> {
    let given = Given::read(&mut stanza)?;
    let preset = given.preset;
    let audience = filled::audience(&given, &mut stanza);
    let issuer = match &audience {
        Ok(audience) => filled::says(&given, audience, &mut stanza),
        Err(Recorded) => Err(Recorded),
    };
    let trap = filled::trap(&given, &mut stanza);
    let keys = match &issuer {
        Ok(issuer) => filled::key_source(&given, issuer.as_deref(), &mut stanza),
        Err(Recorded) => Err(Recorded),
    };
    let (audience, issuer, trap, keys) = (audience?, issuer?, trap?, keys?);
    let algorithms = filled::algorithms(&given, &keys, &mut stanza)?;
    let initial = filled::initial(&keys, &mut stanza)?;
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
