//! The configuration of the request path, prepared and immutable. A request uses one snapshot from its beginning to its
//! end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use super::cors::Cors;
use super::settings::Settings;
use crate::account::Account;
use crate::issuers::{FetchError, Issuers};
use crate::proxy::settings::{OnClientGone, PromptCacheKey, ServerTools};
use callsign_core::auth::key::Directory;
use callsign_core::auth::settings::ClientSession;
use callsign_core::auth::verifier::Verifier;
use callsign_core::auth::{Caller, UpstreamCredential};
use callsign_core::endpoint::{INFERENCE, Inference, REMOVED_FIELDS};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::secret::Binder;
use callsign_core::identity::{Policy, RenderedIds};
use callsign_core::rewrite::headers::HeaderPolicy;
use callsign_core::rewrite::{Filter, ReservedFields, SharedToolPolicy};
use callsign_core::secret::Secret;
use callsign_core::tenant;
use callsign_core::usage::markup::Markup;
use callsign_store::archive::{Redaction, Selection};
use callsign_store::limits::Rules;

/// Size limits of request bodies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// `CALLSIGN_MAX_BODY_BYTES`: a larger body is refused.
    pub max_body: u64,
    /// `CALLSIGN_BUFFER_BODY_BYTES`: a larger body is streamed.
    pub buffer_body: u64,
}

/// The upstream's base URL, split so that the URL of a request is built without parsing.
#[derive(Clone, Debug)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    path: String,
    /// The URLs of the inference endpoints without a query. They are the most frequent ones.
    ready: Vec<(&'static str, Uri)>,
}

impl BaseUrl {
    /// Splits an absolute `http` or `https` URL. Returns `None` for anything else.
    pub fn new(url: &Uri) -> Option<Self> {
        let mut base = Self {
            scheme: url.scheme()?.clone(),
            authority: url.authority()?.clone(),
            path: url.path().trim_end_matches('/').to_owned(),
            ready: Vec::new(),
        };
        base.ready = INFERENCE.iter().map(|endpoint| (endpoint.path, base.join(endpoint.path, None))).collect();
        Some(base)
    }

    /// Returns the path to which endpoint paths are appended, without a final `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn join(&self, path: &str, query: Option<&str>) -> Uri {
        let text = match query {
            Some(query) => format!("{}/{path}?{query}", self.path),
            None => format!("{}/{path}", self.path),
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query =
            Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_default()
    }
}

/// The settings for the callers of one tenant, or for callers without one.
#[derive(Clone, Debug)]
pub struct TenantSettings {
    /// The identifiers that are sent for them.
    pub policy: Policy,
    /// The OpenRouter key that pays; `None` if pass-through is the only way in.
    pub account: Option<Arc<Account>>,
    /// The price that they are charged for each dollar of cost.
    pub markup: Markup,
    /// True if their requests are archived, false if not, `None` if the tenant does not say.
    pub archive: Option<bool>,
}

impl TenantSettings {
    /// Creates the settings of a tenant. `self` are the operator's; their key pays unless the tenant has one.
    fn for_tenant(&self, configured: &tenant::Tenant, previous: Option<&Snapshot>) -> Result<Self, SnapshotError> {
        let known = previous.and_then(|previous| previous.tenants.get(&configured.name));
        let own = account(Some(configured.name.clone()), configured.api_key.as_ref(), known)?;
        let account = own.or_else(|| self.account.clone());
        let (markup, archive) = (configured.markup, configured.archive);
        Ok(Self { policy: configured.policy.clone(), account, markup, archive })
    }
}

/// The configuration of the request path.
#[derive(Debug)]
pub struct Snapshot {
    /// True if requests are recorded in a ledger, which knows each generation's caller.
    pub has_ledger: bool,
    /// The keys and presets by which callers authenticate.
    pub directory: Directory,
    /// Verifies tokens with the issuers' keys.
    pub verifier: Arc<Verifier>,
    /// Fetches the issuers' keys.
    pub issuers: Issuers,
    /// The settings for callers without a tenant.
    pub operator: TenantSettings,
    /// The settings of each tenant, by its name.
    pub tenants: HashMap<String, TenantSettings>,
    /// The body members that are removed.
    pub owned: Arc<ReservedFields>,
    /// The handling of `prompt_cache_key`.
    pub cache_key: PromptCacheKey,
    /// The tools that pass although others are blocked; `None` if all pass.
    pub shared_tools: Option<Arc<SharedToolPolicy>>,
    /// The rules for the headers of requests and responses.
    pub headers: HeaderPolicy,
    /// The upstream's base URL.
    pub base: BaseUrl,
    /// Size limits of request bodies.
    pub limits: BodyLimits,
    /// The longest allowed silence between two frames of a response.
    pub idle_timeout: Duration,
    /// Chooses the requests that are archived.
    pub archive: Selection,
    /// Removes credentials from archived headers.
    pub redaction: Redaction,
    /// The rules for requests from browsers.
    pub cors: Cors,
    /// True if the operator's account id is blanked in OpenRouter's error bodies.
    pub redact_account: bool,
    /// True if video jobs may be created without an owner.
    pub unowned_jobs: bool,
    /// The treatment of a request whose client leaves.
    pub on_client_gone: OnClientGone,
    /// The limits and blocks of the configuration.
    pub rules: Rules,
}

/// Settings that cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The upstream URL or a key cannot be used in a request.
    #[error("the upstream URL or key cannot be used in a request")]
    Upstream,
    /// The client that fetches the issuers' keys cannot be set up.
    #[error("the issuers' keys cannot be fetched: {0}")]
    Issuers(#[from] FetchError),
}

impl Snapshot {
    /// Prepares settings and starts the tasks that refresh the issuers' keys. Must be called within a tokio runtime.
    /// Keys that `previous` has fetched are kept, and the state of its accounts.
    ///
    /// # Errors
    /// [`SnapshotError`] for an upstream that the configuration would have refused, or if no client can be set up.
    pub fn new(settings: &Settings, previous: Option<&Self>) -> Result<Self, SnapshotError> {
        let (callers, bodies, headers) = (&settings.callers, &settings.bodies, &settings.headers);
        let directory = Directory::new(
            callers.keys.iter().cloned(),
            callers.passthrough.clone(),
            callers.client_session == ClientSession::Bind,
        )
        .with_presets(callers.named_presets())
        .with_issuers(callers.issuers.iter().map(|issuer| issuer.rules.clone()).collect());
        let known = previous.map(|previous| &previous.issuers);
        let (verifier, issuers) = Issuers::replacing(callers.issuers.iter(), known)?;
        let operator = TenantSettings {
            policy: settings.tenants.operator.clone(),
            account: account(None, settings.upstream.api_key.as_ref(), previous.map(|previous| &previous.operator))?,
            markup: Markup::default(),
            archive: None,
        };
        let tenants = settings
            .tenants
            .list
            .iter()
            .map(|tenant| Ok((tenant.name.clone(), operator.for_tenant(tenant, previous)?)));
        let tenants = tenants.collect::<Result<_, SnapshotError>>()?;
        let cache_key = bodies.prompt_cache_key;
        let names = REMOVED_FIELDS.into_iter().chain(bodies.remove.iter().map(String::as_str));
        let bound = (cache_key != PromptCacheKey::Keep).then_some("prompt_cache_key");
        Ok(Self {
            has_ledger: settings.has_ledger,
            directory,
            verifier,
            issuers,
            operator,
            tenants,
            owned: Arc::new(ReservedFields::new(names, bound)),
            cache_key,
            shared_tools: match bodies.server_tools {
                ServerTools::Block => Some(Arc::new(SharedToolPolicy::new(bodies.server_tools_allowed.clone()))),
                ServerTools::Allow => None,
            },
            headers: HeaderPolicy::new(
                headers.forward.clone(),
                headers.http_referer.clone(),
                headers.x_openrouter_title.clone(),
            )
            .uncompressed_responses(settings.reads_answers()),
            base: BaseUrl::new(&settings.upstream.url).ok_or(SnapshotError::Upstream)?,
            limits: BodyLimits { max_body: bodies.max_bytes, buffer_body: bodies.buffer_bytes as u64 },
            idle_timeout: settings.upstream.idle_timeout,
            archive: Selection::new(&settings.archive),
            redaction: Redaction::new(callers.token_headers()),
            cors: Cors::new(settings.cors_origins.clone()),
            redact_account: bodies.redact_account,
            unowned_jobs: bodies.unowned_jobs,
            on_client_gone: bodies.on_client_gone,
            rules: Rules::new(&settings.limits),
        })
    }

    /// Returns the settings for callers of this tenant. The namespaces of pass-through keys are not tenants: their
    /// callers get the settings for callers without a tenant.
    pub fn tenant(&self, name: Option<&str>) -> &TenantSettings {
        name.and_then(|name| self.tenants.get(name)).unwrap_or(&self.operator)
    }

    /// Returns the account that pays; `None` if the caller pays with their own key.
    pub fn account(&self, caller: &Caller<'_>) -> Option<&Arc<Account>> {
        let operator = caller.upstream_credential == UpstreamCredential::Operator;
        self.tenant(caller.tenant.as_deref()).account.as_ref().filter(|_| operator)
    }

    /// Returns the accounts that pay. One may occur several times.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        let tenants = self.tenants.values().filter_map(|tenant| tenant.account.as_ref());
        self.operator.account.iter().chain(tenants)
    }

    /// Returns the names for a request's archive file, or `None` if the request is not archived.
    pub fn archive_names(&self, caller: &Caller<'_>) -> Option<RenderedIds> {
        let tenant = self.tenant(caller.tenant.as_deref());
        if !self.archive.wants(caller.archive.or(tenant.archive)) {
            return None;
        }
        let names = tenant.policy.render_ids(&caller.identity());
        self.archive.draws(caller.tenant.as_deref(), &names).then_some(names)
    }

    /// Returns the binder for the `prompt_cache_key` of this caller's client; `None` if the key is not bound.
    pub fn cache_binder(&self, endpoint: &Inference, sources: &CallerIdentity<'_>) -> Option<Binder> {
        let bind = self.cache_key == PromptCacheKey::Bind && endpoint.cache_key;
        bind.then(|| self.tenant(sources.tenant).policy.cache_binder(sources))
    }

    /// Creates the filter of a JSON request body to `endpoint`, which appends `members`.
    pub fn filter(&self, endpoint: &Inference, members: String, binder: Option<Binder>) -> Box<Filter> {
        let mut filter = Box::new(Filter::new(Arc::clone(&self.owned), members));
        if let Some(binder) = binder {
            filter.bind(binder);
        }
        if let Some(policy) = &self.shared_tools {
            filter.block_shared_tools(Arc::clone(policy), endpoint.replays);
        }
        filter
    }

    /// Returns the upstream URL of `path`, relative to the base URL, with this query. The caller has checked the
    /// characters of both. If they are invalid nevertheless, the result is the path `/`.
    pub fn target(&self, path: &str, query: Option<&str>) -> Uri {
        let ready = self.base.ready.iter().find(|(known, _)| query.is_none() && *known == path);
        ready.map_or_else(|| self.base.join(path, query), |(_, target)| target.clone())
    }
}

/// Returns the account of this key. `known` has the owner's previous account, which is kept if the key is the same.
fn account(
    tenant: Option<String>,
    key: Option<&Secret>,
    known: Option<&TenantSettings>,
) -> Result<Option<Arc<Account>>, SnapshotError> {
    let Some(key) = key else { return Ok(None) };
    let account = Account::new(tenant, bearer(key)?);
    let known = known.and_then(|known| known.account.clone()).filter(|known| known.is(&account));
    Ok(Some(known.unwrap_or_else(|| Arc::new(account))))
}

/// Returns the `authorization` value of this key, marked as sensitive.
fn bearer(key: &Secret) -> Result<HeaderValue, SnapshotError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| SnapshotError::Upstream)?;
    value.set_sensitive(true);
    Ok(value)
}
