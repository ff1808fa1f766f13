//! The caller that `check` plays: it holds a key of its own that allows what the operator's first app key (or personal
//! key) allows, and names the sample user by the same headers.

use std::io;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::caller::key::{Grant, Key};
use crate::caller::preset::Preset;
use crate::caller::{client_session, pass_through_name};
use crate::cli::{key_material, summary};
use crate::config::{ClientSession, Config};
use crate::identifiers::sources::Sources;
use crate::secret::{KeyDigest, Secret};

/// What a key that is not callsign's begins with, so that it is passed through.
const OPENROUTER_KEY: &str = "sk-or-v1-";
/// The guest's key in messages and bindings.
const KEY_NAME: &str = "callsign-check";

/// A caller, as the check expects callsign to resolve it.
#[derive(Debug)]
pub(super) struct Guest {
    /// What it authenticates with.
    pub(super) credential: Secret,
    /// What must reach the upstream as `authorization`.
    pub(super) authorization: HeaderValue,
    /// Whose key that is.
    pub(super) payer: &'static str,
    /// Its identity headers.
    pub(super) identity: Vec<(HeaderName, HeaderValue)>,
    /// The metadata pairs of its key.
    pub(super) metadata: Vec<(String, String)>,
    sources: Sources<'static>,
    /// Name and tenant of a pass-through key.
    passed: Option<String>,
}

impl Guest {
    /// A guest for this configuration, and the key to add to it (none if it is passed through).
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(super) fn invite(config: &Config) -> io::Result<(Self, Option<Key>)> {
        let enabled = || config.callers.keys.iter().filter(|key| !key.disabled);
        let app = enabled().find(|key| matches!(key.grant, Grant::Preset(_)));
        let with_key = |model: &Key| Self::of_key(config, model).map(|(guest, key)| (guest, Some(key)));
        match (app.or(enabled().next()), &config.callers.passthrough) {
            (Some(model), _) => with_key(model),
            (None, Some(preset)) => Ok((Self::passed_through(preset)?, None)),
            // Only issuers let anybody in.
            (None, None) => with_key(&Key::new(KEY_NAME, KeyDigest::of(&[]), Grant::Preset(generic()))),
        }
    }

    fn of_key(config: &Config, model: &Key) -> io::Result<(Self, Key)> {
        let credential = Secret::new(key_material::generate()?);
        let user = summary::SAMPLE.user.unwrap_or_default();
        let (grant, preset) = match &model.grant {
            Grant::User(_) => {
                let brought = Preset {
                    chat: model.bring_chat.clone(),
                    message: model.bring_message.clone(),
                    ..Preset::default()
                };
                (Grant::User(user.to_owned()), brought)
            }
            Grant::Preset(preset) => (Grant::Preset(preset.clone()), preset.clone()),
            // Nobody but the issuer can sign a token, so that the guest names its user in plain headers. Everything
            // behind the token is the same.
            Grant::Signed(_) => (Grant::Preset(generic()), generic()),
        };
        let personal = matches!(grant, Grant::User(_));
        let key = Key {
            name: KEY_NAME.to_owned(),
            digest: credential.digest(),
            grant,
            expires: None,
            disabled: false,
            from: Vec::new(),
            tenant: None,
            ..model.clone()
        };
        let operator = config.upstream.api_key.as_ref().map(Secret::expose).unwrap_or_default();
        let authorization = bearer(operator)?;
        let mut guest = Self::new(credential, authorization, "the operator's key", &preset);
        if personal {
            guest.sources.user = summary::SAMPLE.user;
        }
        guest.metadata.clone_from(&key.metadata);
        Ok((guest, key))
    }

    fn passed_through(preset: &Preset) -> io::Result<Self> {
        let credential = Secret::new(format!("{OPENROUTER_KEY}{}", key_material::generate()?));
        let authorization = bearer(credential.expose())?;
        let name = pass_through_name(credential.digest());
        let mut guest = Self::new(credential, authorization, "the caller's own key (pass-through)", preset);
        guest.passed = Some(name);
        Ok(guest)
    }

    fn new(credential: Secret, authorization: HeaderValue, payer: &'static str, preset: &Preset) -> Self {
        let sample = summary::SAMPLE;
        let mut identity = Vec::new();
        let mut named = |header: &Option<HeaderName>, value: Option<&'static str>| {
            let (header, value) = (header.clone()?, value?);
            identity.push((header, HeaderValue::from_static(value)));
            Some(value)
        };
        let sources = Sources {
            key: KEY_NAME,
            user: named(&preset.user, sample.user),
            session: named(&preset.session, sample.session),
            chat: named(&preset.chat, sample.chat),
            message: named(&preset.message, sample.message),
            ..Sources::default()
        };
        Self { credential, authorization, payer, identity, metadata: Vec::new(), sources, passed: None }
    }

    /// What callsign is expected to know about a request of the guest's with these headers.
    pub(super) fn sources<'a>(&'a self, config: &Config, headers: &'a HeaderMap) -> Sources<'a> {
        let bind = config.callers.client_session == ClientSession::Bind;
        Sources {
            tenant: self.passed.as_deref(),
            key: self.passed.as_deref().unwrap_or(KEY_NAME),
            client_session: if bind { client_session::find(headers) } else { None },
            ..self.sources
        }
    }
}

pub(super) fn bearer(key: &str) -> io::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(io::Error::other)?;
    value.set_sensitive(true);
    Ok(value)
}

fn generic() -> Preset {
    Preset::built_in("generic").unwrap_or_default()
}
