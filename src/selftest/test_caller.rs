//! The caller of a self-test. It authenticates with a temporary key and reports its ids in the same headers as the
//! operator's app.

use std::io;

use callsign_console::self_test::Trial;
use callsign_core::auth::key::{Grant, Key};
use callsign_core::auth::preset::Preset;
use callsign_core::auth::settings::{ClientSession, LIVE_TEST_KEY};
use callsign_core::auth::{client_session, identity_header, pass_through_name};
use callsign_core::identity::caller_identity::{CallerIdentity, Field};
use callsign_core::secret::{KeyDigest, Secret};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Config;
use callsign_store::limits::keys::material;
use callsign_store::person::Person;

/// The prefix of OpenRouter's keys. A key with it that is not configured is passed through.
const OPENROUTER_KEY: &str = "sk-or-v1-";

/// A caller, as callsign is expected to see it.
#[derive(Debug)]
pub(crate) struct TestCaller {
    /// The credential that it sends.
    pub(crate) credential: Secret,
    /// The `authorization` header that must reach the upstream.
    pub(crate) authorization: HeaderValue,
    /// The owner of that key, for messages.
    pub(crate) payer: &'static str,
    /// Every header that its key or preset reads, sent or not.
    pub(crate) reads: Vec<HeaderName>,
    /// The identity headers that it sends.
    pub(crate) identity: Vec<(HeaderName, HeaderValue)>,
    /// The metadata pairs of its key.
    pub(crate) metadata: Vec<(String, String)>,
    tenant: Option<String>,
    /// The name of its key: that of the temporary key, or that of a pass-through key.
    key: String,
    /// Its ids, in the order of [`Field::IDS`].
    ids: [Option<String>; Field::IDS.len()],
}

impl TestCaller {
    /// Returns a test caller with the preset of the first enabled app key, and the temporary key to add to the
    /// configuration. There is no temporary key if callers authenticate only by pass-through.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn like_first_app(config: &Config) -> io::Result<(Self, Option<Key>)> {
        let enabled = || config.callers.keys.iter().filter(|key| !key.disabled);
        let app = enabled().find(|key| matches!(key.grant, Grant::Preset(_)));
        let with_key = |model: &Key| Self::of_key(config, model).map(|(test_caller, key)| (test_caller, Some(key)));
        match (app.or(enabled().next()), &config.callers.passthrough) {
            (Some(model), _) => with_key(model),
            (None, Some(preset)) => Ok((Self::passed_through(preset)?, None)),
            // Callers authenticate only with tokens.
            (None, None) => with_key(&Key::new(LIVE_TEST_KEY, KeyDigest::of(&[]), Grant::Preset(generic()))),
        }
    }

    /// Returns a test caller with the ids of `trial`, and its temporary key, an app's key with the `generic` preset.
    ///
    /// # Errors
    /// If a header cannot carry an id, or the system has no random numbers.
    pub(crate) fn for_trial(config: &Config, trial: &Trial) -> io::Result<(Self, Key)> {
        let credential = Secret::new(material::generate()?);
        let grant = Grant::Preset(generic());
        let key = Key { tenant: trial.tenant.clone(), ..Key::new(LIVE_TEST_KEY, credential.digest(), grant) };
        let ids = CallerIdentity {
            user: Some(trial.user_id.as_str()),
            session: trial.session_id.as_deref(),
            chat: trial.chat_id.as_deref(),
            message: trial.message_id.as_deref(),
            ..CallerIdentity::default()
        };
        let tenant = config.tenants.list.iter().find(|tenant| Some(&tenant.name) == trial.tenant.as_ref());
        let pays = tenant.and_then(|tenant| tenant.api_key.as_ref()).or(config.upstream.api_key.as_ref());
        let authorization = bearer(pays.map(Secret::expose).unwrap_or_default())?;
        let mut test_caller = Self::new(credential, authorization, "the operator's key", &generic(), ids)?;
        test_caller.tenant.clone_from(&trial.tenant);
        Ok((test_caller, key))
    }

    fn of_key(config: &Config, model: &Key) -> io::Result<(Self, Key)> {
        let credential = Secret::new(material::generate()?);
        let user = CallerIdentity::SAMPLE.user.unwrap_or_default();
        let (grant, preset) = match &model.grant {
            Grant::User(_) => {
                let chat = Preset::default().with(Field::Chat, model.chat_header.clone());
                (Grant::User(user.to_owned()), chat.with(Field::Message, model.message_header.clone()))
            }
            Grant::Preset(preset) => (Grant::Preset(preset.clone()), preset.clone()),
            // Only the issuer can sign a token, so the test caller reports its ids in plain headers. The steps after the
            // verification of the token do not differ.
            Grant::Signed(_) => (Grant::Preset(generic()), generic()),
        };
        let personal = matches!(grant, Grant::User(_));
        let key = Key {
            name: LIVE_TEST_KEY.to_owned(),
            digest: credential.digest(),
            grant,
            expires: None,
            disabled: false,
            from: Vec::new(),
            tenant: None,
            ..model.clone()
        };
        let authorization = bearer(config.upstream.api_key.as_ref().map(Secret::expose).unwrap_or_default())?;
        let mut test_caller =
            Self::new(credential, authorization, "the operator's key", &preset, CallerIdentity::SAMPLE)?;
        if personal {
            test_caller.ids[Field::User as usize] = Some(user.to_owned());
        }
        test_caller.metadata.clone_from(&key.metadata);
        Ok((test_caller, key))
    }

    fn passed_through(preset: &Preset) -> io::Result<Self> {
        let credential = Secret::new(format!("{OPENROUTER_KEY}{}", material::generate()?));
        let authorization = bearer(credential.expose())?;
        let name = pass_through_name(credential.digest());
        let mut test_caller = Self::new(
            credential,
            authorization,
            "the caller's own key (pass-through)",
            preset,
            CallerIdentity::SAMPLE,
        )?;
        test_caller.tenant = Some(name.clone());
        test_caller.key = name;
        Ok(test_caller)
    }

    fn new(
        credential: Secret,
        authorization: HeaderValue,
        payer: &'static str,
        preset: &Preset,
        ids: CallerIdentity<'_>,
    ) -> io::Result<Self> {
        let mut identity = Vec::new();
        let mut known: [Option<String>; Field::IDS.len()] = Default::default();
        for (field, known) in Field::IDS.into_iter().zip(&mut known) {
            let (Some(header), Some(id)) = (preset.header(field), ids.get(field)) else { continue };
            let value = HeaderValue::from_bytes(id.as_bytes()).map_err(io::Error::other)?;
            identity.push((header.clone(), value));
            *known = identity_header::usable(id.as_bytes()).map(str::to_owned);
        }
        let key = LIVE_TEST_KEY.to_owned();
        let reads = preset.headers().cloned().collect();
        Ok(Self {
            credential,
            authorization,
            payer,
            reads,
            identity,
            metadata: Vec::new(),
            tenant: None,
            key,
            ids: known,
        })
    }

    /// Returns the person that the ledger has for its requests.
    pub(crate) fn person(&self) -> Person {
        let user = self.ids[Field::User as usize].clone().unwrap_or_default();
        Person { tenant: self.tenant.clone(), user }
    }

    /// Returns the identity that callsign is expected to see in a request of the test caller with these headers.
    pub(crate) fn caller<'a>(&'a self, config: &Config, headers: &'a HeaderMap) -> CallerIdentity<'a> {
        let bind = config.callers.client_session == ClientSession::Bind;
        let identity = CallerIdentity {
            tenant: self.tenant.as_deref(),
            key: &self.key,
            client_session: if bind { client_session::find(headers) } else { None },
            ..CallerIdentity::default()
        };
        Field::IDS
            .into_iter()
            .zip(&self.ids)
            .fold(identity, |identity, (field, id)| identity.with(field, id.as_deref()))
    }
}

/// Returns an `authorization` header with this key, marked as sensitive.
pub(crate) fn bearer(key: &str) -> io::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(io::Error::other)?;
    value.set_sensitive(true);
    Ok(value)
}

fn generic() -> Preset {
    Preset::built_in("generic").unwrap_or_default()
}
