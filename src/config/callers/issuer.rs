//! Parses `[[issuers]]` and the variables for a single issuer: which tokens are accepted, and the source of their keys.
//! The preset ([`IssuerPreset`]) fills in what is not set.

mod raw;
mod resolve;

use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::super::reader::{Reader, Reported};
use super::super::table_reader::TableReader;
use callsign_core::auth::issuer::Issuer;
use callsign_core::auth::issuer::preset::TokenProfile;
use callsign_core::auth::settings::TokenIssuer;
use raw::Given;

/// Fields of an issuer and the variables that set them.
const VARIABLES: [(&str, &str); 6] = [
    ("preset", "CALLSIGN_ISSUER_PRESET"),
    ("issuer", "CALLSIGN_ISSUER"),
    ("jwks_url", "CALLSIGN_JWKS_URL"),
    ("secret", "CALLSIGN_JWT_SECRET"),
    ("audience", "CALLSIGN_AUDIENCE"),
    ("authorized_parties", "CALLSIGN_AUTHORIZED_PARTIES"),
];
/// Accepted clock difference if none is set.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// Reads all issuers, those of the file first.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<TokenIssuer>, Reported> {
    let entries = reader.layers.tables("issuers").into_iter();
    let mut read: Vec<_> = entries.map(|entry| read_one(&mut TableReader::entry(reader, "issuers", &entry))).collect();
    read.extend(TableReader::variables(reader, &VARIABLES).map(|mut fields| read_one(&mut fields)));
    let issuers = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut result = Ok(());
    for (index, issuer) in issuers.iter().enumerate() {
        let earlier = || issuers.iter().take(index);
        if earlier().any(|other| other.rules.name == issuer.rules.name) {
            result = reader.refuse(&issuer.source, "has the name of an earlier issuer; choose another");
        }
        let rules = &issuer.rules;
        let told_apart =
            |other: &TokenIssuer| other.rules.header != AUTHORIZATION || other.rules.issuer != rules.issuer;
        if rules.header == AUTHORIZATION && !earlier().all(told_apart) {
            let message = "cannot be told apart from an earlier issuer: tokens of both arrive in Authorization with \
                           the same iss; remove one, or set another header for it";
            result = reader.refuse(&issuer.source, message);
        }
    }
    result.map(|()| issuers)
}

/// Reads one issuer.
pub(in crate::config) fn read_one(table_reader: &mut TableReader<'_, '_>) -> Result<TokenIssuer, Reported> {
    let given = Given::read(table_reader)?;
    let preset = given.preset;
    let audience = resolve::audience(&given, table_reader);
    let issuer = match &audience {
        Ok(audience) => resolve::says(&given, audience, table_reader),
        Err(Reported) => Err(Reported),
    };
    let token_rules = resolve::token_rules(&given, table_reader);
    let keys = match &issuer {
        Ok(issuer) => resolve::key_source(&given, issuer.as_deref(), table_reader),
        Err(Reported) => Err(Reported),
    };
    let (audience, issuer, token_rules, keys) = (audience?, issuer?, token_rules?, keys?);
    let algorithms = resolve::algorithms(&given, &keys, table_reader)?;
    let initial = resolve::initial(&keys, table_reader)?;
    let header = |name: Option<HeaderName>, own: &'static str| name.unwrap_or(HeaderName::from_static(own));
    Ok(TokenIssuer {
        rules: Issuer {
            name: given.name.unwrap_or_else(|| preset.name.to_owned()),
            tenant: given.tenant,
            issuer,
            algorithms,
            audience,
            for_console: false,
            authorized_parties: given.authorized_parties,
            header: header(given.header, preset.header),
            user_claim: given.user_claim.unwrap_or_else(|| preset.user.to_owned()),
            session_claim: given.session_claim.or(preset.session.map(str::to_owned)),
            chat_header: Some(header(given.chat_header, preset.chat)),
            message_header: Some(header(given.message_header, preset.message)),
            leeway: given.leeway.unwrap_or(DEFAULT_LEEWAY),
            padded: preset.profile == TokenProfile::AwsAlb,
            token_rules,
        },
        keys,
        initial,
        preset,
        source: table_reader.source.clone(),
    })
}
