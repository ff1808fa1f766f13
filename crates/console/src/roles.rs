//! The tokens of the admin port, and what each may do (docs/SPEC.md#admin-tokens).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use callsign_core::secret::KeyDigest;

use crate::answer::ApiError;

/// The name of `CALLSIGN_ADMIN_TOKEN` in the audit log.
pub(crate) const ADMIN: &str = "admin";

/// The prefix of users whom a proxy has signed in, in the audit log. No token may have it.
pub const PROXY: &str = "proxy:";

/// The role of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and acts.
    Operator,
}

/// A token of the admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// The name in the audit log.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: KeyDigest,
    /// The role.
    pub role: Role,
    /// True if a viewer may read about single users. Operators may always.
    pub persons: bool,
}

/// The right that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Reads sums and the configuration.
    Sums,
    /// Reads about single users.
    Persons,
    /// Acts, or finds out who somebody is.
    Operator,
}

impl Need {
    /// Returns what a token must have, for a message.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Sums => "a token of [[admin.tokens]]",
            Self::Persons => "`persons = true` in [[admin.tokens]] or [[admin.issuers]], or the role operator",
            Self::Operator => "the role operator in [[admin.tokens]] or [[admin.issuers]]",
        }
    }
}

/// The needs of paths for reading, by prefix; the first that matches counts. Everything else, and every other method,
/// needs an operator, so that a new path is closed until it is listed here.
const READS: &[(&str, Need)] = &[
    ("/api/v1/admin/openapi.json", Need::Sums),
    ("/api/v1/admin/user-mapping/configuration", Need::Sums),
    ("/api/v1/admin/user-mapping/", Need::Persons),
    ("/api/v1/admin/usage", Need::Sums),
    ("/api/v1/admin/requests", Need::Persons),
    ("/api/v1/admin/limits/", Need::Persons),
    ("/models", Need::Sums),
    ("/providers", Need::Sums),
    ("/apps", Need::Sums),
    ("/costs", Need::Sums),
    ("/errors", Need::Sums),
    ("/speed", Need::Sums),
    ("/settings", Need::Sums),
    ("/export.csv", Need::Sums),
    ("/users", Need::Persons),
    ("/user/forget", Need::Operator),
    ("/user", Need::Persons),
    ("/requests", Need::Persons),
    ("/request", Need::Persons),
    ("/mapping", Need::Persons),
];
/// Paths of sums that are about single users if the query says so: grouped by user or key, or filtered by one.
const BY_QUERY: [&str; 2] = ["/api/v1/admin/usage", "/export.csv"];
/// The query parameters that name a user.
const NAMES: [&str; 2] = ["user", "id"];

/// The caller of the admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    name: Arc<str>,
    role: Role,
    persons: bool,
    by_proxy: bool,
}

impl Caller {
    /// Returns the caller of a token.
    pub(crate) fn of_token(token: &AdminToken) -> Self {
        Self { name: token.name.as_str().into(), role: token.role, persons: token.persons, by_proxy: false }
    }

    /// Returns a user whom a proxy in front has signed in. `persons` is as in [`AdminToken`].
    pub(crate) fn of_proxy(user: &str, role: Role, persons: bool) -> Self {
        Self { name: format!("{PROXY}{user}").into(), role, persons, by_proxy: true }
    }

    /// Returns the name in the audit log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if a proxy in front has signed this caller in, so that there is no session to end.
    pub(crate) fn is_by_proxy(&self) -> bool {
        self.by_proxy
    }

    /// Returns true if the token permits this.
    pub(crate) fn may(&self, need: Need) -> bool {
        match need {
            Need::Sums => true,
            Need::Persons => self.role == Role::Operator || self.persons,
            Need::Operator => self.role == Role::Operator,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Unauthorized)
    }
}

/// Returns what a request needs.
pub(crate) fn need(parts: &Parts) -> Need {
    let path = parts.uri.path();
    if (path, &parts.method) == ("/logout", &Method::POST) || path == "/" {
        return Need::Sums;
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Need::Operator;
    }
    let listed = READS.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or(Need::Operator, |(_, need)| *need);
    let is_of_person = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        name == "user" || (name == "by" && value.split(',').any(|by| by == "user"))
    };
    // Usage is grouped by user unless the query says otherwise.
    let has_by = query(parts).any(|(name, _)| name == "by");
    if BY_QUERY.contains(&path) && (!has_by || query(parts).any(is_of_person)) { Need::Persons } else { listed }
}

/// Returns the user whom a request is about, as the caller wrote it; empty for many.
pub(crate) fn subject(parts: &Parts) -> String {
    // A request's page names a request, not a user.
    let is_name = |name: &str| NAMES.contains(&name) && parts.uri.path() != "/request";
    let named = query(parts).find(|(name, _)| is_name(name)).map(|(_, value)| value.into_owned());
    let in_path = || {
        let rest = parts.uri.path().strip_prefix("/api/v1/admin/")?;
        let id = match rest.split('/').collect::<Vec<_>>().as_slice() {
            ["user-mapping", "user", id, ..] | ["limits" | "whois", id] => (*id).to_owned(),
            _ => return None,
        };
        Some(percent_encoding::percent_decode_str(&id).decode_utf8_lossy().into_owned())
    };
    named.or_else(in_path).unwrap_or_default()
}

fn query(parts: &Parts) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(line: &str) -> Parts {
        let (method, target) = line.split_once(' ').unwrap();
        Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_need_of_a_request() {
        for (line, expected) in [
            ("GET /", Need::Sums),
            ("GET /models?range=7d", Need::Sums),
            ("GET /users", Need::Persons),
            ("GET /user?id=a", Need::Persons),
            ("GET /user/forget?id=a", Need::Operator),
            ("POST /user/block", Need::Operator),
            ("POST /logout", Need::Sums),
            ("GET /whois?id=a", Need::Operator),
            ("GET /audit", Need::Operator),
            ("GET /a-new-page", Need::Operator),
            ("GET /export.csv?by=model", Need::Sums),
            ("GET /export.csv?by=user", Need::Persons),
            ("GET /export.csv", Need::Persons),
            ("GET /api/v1/admin/usage?by=model,user", Need::Persons),
            ("GET /api/v1/admin/usage?by=model&user=a", Need::Persons),
            ("GET /api/v1/admin/usage?by=model&us%65r=a", Need::Persons),
            ("GET /api/v1/admin/usage?by=day", Need::Sums),
            ("GET /api/v1/admin/user-mapping/configuration", Need::Sums),
            ("GET /api/v1/admin/user-mapping/validate", Need::Persons),
            ("POST /api/v1/admin/user-mapping/test-mapping", Need::Operator),
            ("GET /api/v1/admin/requests/x", Need::Persons),
            ("GET /api/v1/admin/blocks", Need::Operator),
            ("DELETE /api/v1/admin/limits/a", Need::Operator),
        ] {
            assert_eq!(need(&parts(line)), expected, "{line}");
        }
    }

    #[test]
    fn the_subject_of_a_read_is_the_user_of_the_query_or_the_path() {
        for (line, expected) in [
            ("GET /user?id=a%26b&tenant=", "a&b"),
            ("GET /requests?user=bob", "bob"),
            ("GET /users", ""),
            ("GET /request?id=gen-1", ""),
            ("GET /api/v1/admin/requests/gen-1", ""),
            ("GET /api/v1/admin/user-mapping/user/a%2Fb/mapping", "a/b"),
            ("GET /api/v1/admin/limits/bob", "bob"),
        ] {
            assert_eq!(subject(&parts(line)), expected, "{line}");
        }
    }

    #[test]
    fn a_viewer_reads_persons_only_if_the_token_says_so() {
        let caller = |role, persons| {
            Caller::of_token(&AdminToken { name: "x".to_owned(), digest: KeyDigest::of(b"x"), role, persons })
        };
        for (role, persons, expected) in [
            (Role::Viewer, false, [true, false, false]),
            (Role::Viewer, true, [true, true, false]),
            (Role::Operator, false, [true, true, true]),
        ] {
            assert_eq!(
                [Need::Sums, Need::Persons, Need::Operator].map(|need| caller(role, persons).may(need)),
                expected
            );
        }
    }
}
