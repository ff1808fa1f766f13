//! One immutable configuration, made ready for the request path: what a request sees is one of these from its beginning
//! to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use super::cors::Cors;
use super::settings::Settings;
use crate::issuers::{FetchError, Issuers};
use crate::proxy::settings::{PromptCacheKey, ServerTools};
use callsign_core::auth::Caller;
use callsign_core::auth::key::Directory;
use callsign_core::auth::settings::ClientSession;
use callsign_core::auth::verifier::Verifier;
use callsign_core::endpoint::{INFERENCE, Inference, REMOVED_FIELDS};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::secret::Binder;
use callsign_core::identity::{Policy, RenderedIds};
use callsign_core::rewrite::headers::HeaderPolicy;
use callsign_core::rewrite::{Filter, ReservedFields};
use callsign_core::secret::Secret;
use callsign_core::tenant;
use callsign_core::usage::markup::Markup;
use callsign_store::archive::{Redaction, Selection};
use callsign_store::limits::Rules;

/// Sizes of bodies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `CALLSIGN_MAX_BODY_BYTES`.
    pub max_body: u64,
    /// `CALLSIGN_HOLD_BODY_BYTES`.
    pub buffer_body: u64,
}

/// Where requests go: the base URL in parts, so that a target is put together without parsing.
#[derive(Clone, Debug)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    path: String,
    /// What is asked for most: the targets of the table, without a query.
    ready: Vec<(&'static str, Uri)>,
}

impl Base {
    /// Takes an absolute `http` or `https` URL apart; `None` for anything else.
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

/// What the operator decided for one organisation's callers.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// What is said about them.
    pub policy: Policy,
    /// The OpenRouter key that pays, as a header value; absent if pass-through is the only way in.
    pub authorization: Option<HeaderValue>,
    /// What they are charged for each dollar of cost.
    pub markup: Markup,
    /// Whether their requests are archived, if that is said of them.
    pub archive: Option<bool>,
}

impl Tenant {
    /// One of the operator's tenants, for which the operator pays unless it has a key of its own.
    fn tenant(&self, configured: &tenant::Tenant) -> Result<Self, SnapshotError> {
        let own = configured.api_key.as_ref().map(bearer).transpose()?;
        let authorization = own.or_else(|| self.authorization.clone());
        let (markup, archive) = (configured.markup, configured.archive);
        Ok(Self { policy: configured.policy.clone(), authorization, markup, archive })
    }
}

/// The configuration of the request path.
#[derive(Debug)]
pub struct Snapshot {
    /// True if requests are recorded, so that the maker of a generation is known.
    pub has_ledger: bool,
    /// Who may come in.
    pub directory: Directory,
    /// The issuers' keys.
    pub verifier: Arc<Verifier>,
    /// Where fresh ones come from.
    pub issuers: Issuers,
    /// What holds for callers of no tenant.
    pub operator: Tenant,
    /// What holds for each tenant's callers, by its name.
    pub tenants: HashMap<String, Tenant>,
    /// The body members that never pass.
    pub owned: Arc<ReservedFields>,
    /// What becomes of `prompt_cache_key`.
    pub cache_key: PromptCacheKey,
    /// Whether tools that reach what all callers of the account share may be asked for.
    pub server_tools: ServerTools,
    /// Headers, both ways.
    pub headers: HeaderPolicy,
    /// Where requests go.
    pub base: Base,
    /// Sizes of bodies.
    pub limits: Limits,
    /// The longest silence between two frames of an answer.
    pub idle_timeout: Duration,
    /// Whose requests are archived.
    pub archive: Selection,
    /// What of their headers is not.
    pub redaction: Redaction,
    /// Calls from browsers.
    pub cors: Cors,
    /// Whether the operator's account id is blanked in error bodies.
    pub redact_account: bool,
    /// How much anybody may use.
    pub rules: Rules,
}

/// The configuration cannot be put to use.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It names something that no request could be sent to.
    #[error("the upstream URL or key cannot be used in a request")]
    Upstream,
    /// Nothing could fetch the issuers' keys.
    #[error("the issuers' keys cannot be fetched: {0}")]
    Issuers(#[from] FetchError),
}

impl Snapshot {
    /// Makes a configuration ready, and begins to keep the issuers' keys fresh: must be called within a tokio runtime.
    /// Keys that `previous` has fetched are carried over.
    ///
    /// # Errors
    /// [`SnapshotError`] for an upstream that [`Config::load`] would have refused, or without means to fetch keys.
    pub fn new(settings: &Settings, previous: Option<&Self>) -> Result<Self, SnapshotError> {
        let (callers, bodies, headers) = (&settings.callers, &settings.bodies, &settings.headers);
        let directory = Directory::new(
            callers.keys.iter().cloned(),
            callers.passthrough.clone(),
            callers.client_session == ClientSession::Bind,
        )
        .with_issuers(callers.issuers.iter().map(|issuer| issuer.rules.clone()).collect());
        let key_sets = callers.issuers.iter().map(|issuer| {
            let known = previous.and_then(|previous| previous.issuers.known(&issuer.rules.name, &issuer.keys));
            known.unwrap_or_else(|| issuer.initial.clone())
        });
        let verifier = Arc::new(Verifier::new(key_sets));
        let sources = callers.issuers.iter().map(|issuer| (issuer.rules.name.clone(), issuer.keys.clone())).collect();
        let issuers = Issuers::start(sources, &verifier)?;
        let operator = Tenant {
            policy: settings.tenants.operator.clone(),
            authorization: settings.upstream.api_key.as_ref().map(bearer).transpose()?,
            markup: Markup::default(),
            archive: None,
        };
        let tenants = settings.tenants.list.iter().map(|tenant| Ok((tenant.name.clone(), operator.tenant(tenant)?)));
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
            server_tools: bodies.server_tools,
            headers: HeaderPolicy::new(
                headers.forward.clone(),
                headers.http_referer.clone(),
                headers.x_openrouter_title.clone(),
            )
            .uncompressed_responses(settings.reads_answers()),
            base: Base::new(&settings.upstream.url).ok_or(SnapshotError::Upstream)?,
            limits: Limits { max_body: bodies.max_bytes, buffer_body: bodies.buffer_bytes as u64 },
            idle_timeout: settings.upstream.idle_timeout,
            archive: Selection::new(&settings.archive),
            redaction: Redaction::new(callers.token_headers()),
            cors: Cors::new(settings.cors_origins.clone()),
            redact_account: bodies.redact_account,
            rules: Rules::new(&settings.limits),
        })
    }

    /// What holds for callers of this tenant. The namespaces of pass-through keys are no tenants of the operator's.
    pub fn tenant(&self, name: Option<&str>) -> &Tenant {
        name.and_then(|name| self.tenants.get(name)).unwrap_or(&self.operator)
    }

    /// What this caller's archive is named by, if the request is one of those that are archived.
    pub fn archived(&self, caller: &Caller<'_>) -> Option<RenderedIds> {
        let tenant = self.tenant(caller.tenant.as_deref());
        if !self.archive.wants(caller.archive.or(tenant.archive)) {
            return None;
        }
        let names = tenant.policy.render_ids(&caller.identity());
        self.archive.draws(caller.tenant.as_deref(), &names).then_some(names)
    }

    /// What binds the `prompt_cache_key` of this caller's client; `None` where none is written back.
    pub fn cache_binder(&self, endpoint: &Inference, sources: &CallerIdentity<'_>) -> Option<Binder> {
        let bind = self.cache_key == PromptCacheKey::Bind && endpoint.cache_key;
        bind.then(|| self.tenant(sources.tenant).policy.cache_binder(sources))
    }

    /// The filter for a body that `members` are written into. The one place where filters of requests are made.
    pub fn filter(&self, members: String, binder: Option<Binder>) -> Filter {
        let mut filter = Filter::new(Arc::clone(&self.owned), members);
        if let Some(binder) = binder {
            filter = filter.bind(binder);
        }
        match self.server_tools {
            ServerTools::Block => filter.block_shared_tools(),
            ServerTools::Allow => filter,
        }
    }

    /// The URL of `path` (behind the base path) with this query. Both come from tables or have been checked to hold
    /// nothing but a path's characters; what could not be put together all the same leads to the base path itself, which
    /// OpenRouter answers with 404.
    pub fn target(&self, path: &str, query: Option<&str>) -> Uri {
        let ready = self.base.ready.iter().find(|(known, _)| query.is_none() && *known == path);
        ready.map_or_else(|| self.base.join(path, query), |(_, target)| target.clone())
    }
}

fn bearer(key: &Secret) -> Result<HeaderValue, SnapshotError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| SnapshotError::Upstream)?;
    value.set_sensitive(true);
    Ok(value)
}
