//! The table of error codes: everything that callsign itself answers with, one row each (`docs/SPEC.md#codes`).
//!
//! Responses, `docs/ERRORS.md` and the console read this table. It must not contain the errors themselves: each
//! module defines its own, and the gateway's `error` module maps them to codes.

use http::StatusCode;

/// The code of an error response of callsign, in the order of [`TABLE`]. `UpstreamTimeout` stays the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The body is not one strict JSON object.
    InvalidJson,
    /// An identity header came twice.
    AmbiguousIdentity,
    /// Two credentials differ.
    AmbiguousCredential,
    /// The framing, form or compression of a request is wrong.
    BadRequest,
    /// No credential.
    MissingCredential,
    /// A credential that is not accepted.
    InvalidCredential,
    /// No user id, although one is required.
    UserRequired,
    /// The operator has blocked the user.
    UserBlocked,
    /// A tool that reaches data shared by all callers of the account.
    ToolNotAllowed,
    /// A model that the caller may not use.
    ModelNotAllowed,
    /// A job of another caller.
    NotYours,
    /// The path is not in the table of endpoints.
    NotExposed,
    /// The path is in the table, but not with this method.
    MethodNotAllowed,
    /// The upload is too slow.
    RequestTimeout,
    /// The body is too large.
    BodyTooLarge,
    /// The content type is not supported.
    UnsupportedMediaType,
    /// The content encoding is not supported.
    UnsupportedEncoding,
    /// A WebSocket handshake.
    WebsocketUnsupported,
    /// A limit or a caller's share is used up.
    RateLimited,
    /// A bug of callsign or a failure of the operating system.
    Internal,
    /// OpenRouter cannot be reached.
    UpstreamUnreachable,
    /// OpenRouter redirects the request.
    UpstreamRedirect,
    /// The capacity for all callers is used up.
    Overloaded,
    /// Limits cannot be checked, although they must be.
    LimitsUnavailable,
    /// The ledger cannot be written or read, although it must be.
    LedgerUnavailable,
    /// The list of keys in the database is too old.
    KeysUnavailable,
    /// The request cannot be archived, although it must be.
    ArchiveUnavailable,
    /// The process is stopping.
    Draining,
    /// OpenRouter did not answer in time.
    UpstreamTimeout,
}

/// One row of [`TABLE`].
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorCodeRow {
    /// The code.
    pub code: ErrorCode,
    /// The value of the header `x-callsign-error`, and `error.code` in OpenAI's format.
    pub name: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The cause, as one or more sentences for operator and caller.
    pub cause: &'static str,
    /// The remedy, as one or more sentences for operator and caller.
    pub remedy: &'static str,
}

const fn row(
    code: ErrorCode,
    status: u16,
    name: &'static str,
    cause: &'static str,
    remedy: &'static str,
) -> ErrorCodeRow {
    ErrorCodeRow { code, name, status, cause, remedy }
}

/// All codes, in the order of [`ErrorCode`].
pub static TABLE: [ErrorCodeRow; 29] = [
    row(
        ErrorCode::InvalidJson,
        400,
        "invalid_json",
        "The request body is not one strict JSON object.",
        "Correct the body. The message gives the byte offset of the first error.",
    ),
    row(
        ErrorCode::AmbiguousIdentity,
        400,
        "ambiguous_identity",
        "A header with a user, session, chat or message id, or with a user's token, came twice.",
        "Send each identity header once. Look for a proxy that adds one.",
    ),
    row(
        ErrorCode::AmbiguousCredential,
        400,
        "ambiguous_credential",
        "The request has two different credentials, or one credential header twice.",
        "Send one key, in `Authorization` or in `x-api-key`.",
    ),
    row(
        ErrorCode::BadRequest,
        400,
        "bad_request",
        "The request's framing can be read in two ways, its form is invalid, or its body does not match its \
         `content-encoding`.",
        "Correct the client, or the proxy in front of callsign. The message names the header or the part.",
    ),
    row(
        ErrorCode::MissingCredential,
        401,
        "missing_credential",
        "The request has no key.",
        "Send a key from callsign's operator as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
    ),
    row(
        ErrorCode::InvalidCredential,
        401,
        "invalid_credential",
        "The key is unknown, disabled, expired or used from a network that is not in its `allowed_networks`; or it is a key \
         of OpenRouter (`sk-or-…`) without pass-through; or the user's token is missing or refused.",
        "Caller: use the key that the operator gave you, or sign in again. Operator: compare the app's key with \
         `CALLSIGN_APP_KEY`, and see `callsign key list`.",
    ),
    row(
        ErrorCode::UserRequired,
        403,
        "user_required",
        "The request has no user id that can be sent, and `CALLSIGN_MISSING_USER` is `reject`; or the header that names \
         the user was sent with a value that names nobody, while a block or a limit holds.",
        "Check that the app sends its user's id in the header that the message names, unchanged and once. Another header: \
         `CALLSIGN_PRESET`. `callsign id --user VALUE` tells why a value is unusable.",
    ),
    row(
        ErrorCode::UserBlocked,
        403,
        "user_blocked",
        "The operator has blocked this user, by `callsign block`, `[[users]]` or auto-block.",
        "Operator: `callsign block --list` shows the blocks, `callsign unblock` ends one.",
    ),
    row(
        ErrorCode::ToolNotAllowed,
        403,
        "tool_not_allowed",
        "The request uses a tool that reaches files or shells which all users of the OpenRouter account share, or names a \
         stored thing of that account (a file, container, conversation or template).",
        "Remove it. Operator: `server_tools_allowed` permits single types of tools, `CALLSIGN_SERVER_TOOLS=allow` all \
         tools, each to all users.",
    ),
    row(
        ErrorCode::ModelNotAllowed,
        403,
        "model_not_allowed",
        "The request names a model that the caller may not use, or no model.",
        "Ask for an allowed model. Operator: the message names the setting, `limits.models` or that of a tenant, key or \
         user.",
    ),
    row(
        ErrorCode::NotYours,
        403,
        "not_yours",
        "`previous_job_id` names a video job that this caller did not create, or that the ledger does not know.",
        "Continue a job of the same user and tenant, or leave `previous_job_id` out.",
    ),
    row(
        ErrorCode::NotExposed,
        404,
        "not_exposed",
        "The path does not exist or would show the operator's account; or the generation or the video job is not the \
         caller's; or video jobs are used without a ledger.",
        "Check the path and the base URL, which ends in `/v1`. The message names the setting that is missing.",
    ),
    row(
        ErrorCode::MethodNotAllowed,
        405,
        "method_not_allowed",
        "The path exists, but not with this method.",
        "Use a method that the `allow` header lists.",
    ),
    row(
        ErrorCode::RequestTimeout,
        408,
        "request_timeout",
        "The upload is too slow.",
        "Try again over a faster connection, or send a smaller body.",
    ),
    row(
        ErrorCode::BodyTooLarge,
        413,
        "body_too_large",
        "The body is larger than `CALLSIGN_MAX_BODY_BYTES`.",
        "Send a smaller body, or raise that setting.",
    ),
    row(
        ErrorCode::UnsupportedMediaType,
        415,
        "unsupported_media_type",
        "The content type is not `application/json`, nor a form on an endpoint that accepts forms.",
        "Send `Content-Type: application/json`.",
    ),
    row(
        ErrorCode::UnsupportedEncoding,
        415,
        "unsupported_encoding",
        "The body is compressed in a way that callsign cannot check.",
        "Send the body uncompressed, or as `gzip`, `br` or `zstd`.",
    ),
    row(
        ErrorCode::WebsocketUnsupported,
        426,
        "websocket_unsupported",
        "The request is a WebSocket handshake, which OpenRouter does not offer.",
        "Send POST to the same path.",
    ),
    row(
        ErrorCode::RateLimited,
        429,
        "rate_limited",
        "The caller has reached a limit, or holds its share of callsign: requests in flight, memory for compressed bodies, or \
         open video jobs.",
        "Wait as many seconds as `retry-after` says. Operator: `callsign limits show` shows limits and usage.",
    ),
    row(
        ErrorCode::Internal,
        500,
        "internal",
        "callsign has a bug, or the operating system gave no random numbers.",
        "Report it with the log line of the request.",
    ),
    row(
        ErrorCode::UpstreamUnreachable,
        502,
        "upstream_unreachable",
        "OpenRouter refused the connection, or closed it before its response began.",
        "Try again. Operator: check the network and OpenRouter's status page.",
    ),
    row(
        ErrorCode::UpstreamRedirect,
        502,
        "upstream_redirect",
        "OpenRouter answered with a redirect. callsign follows none, and relays only those within the catalogue.",
        "Check the path. Operator: check `CALLSIGN_UPSTREAM_URL`; it must be the address that answers itself.",
    ),
    row(
        ErrorCode::Overloaded,
        503,
        "overloaded",
        "callsign has reached the limit of its connections or of all requests in flight.",
        "Try again. Operator: add nodes, or raise the limit that `callsign_shed_total` names.",
    ),
    row(
        ErrorCode::LimitsUnavailable,
        503,
        "limits_unavailable",
        "Redis is unavailable, or has restarted and budgets are not rebuilt from the ledger yet, and \
         `CALLSIGN_LIMIT_ON_STORE_FAILURE` is `deny`.",
        "Try again. Operator: repair Redis.",
    ),
    row(
        ErrorCode::LedgerUnavailable,
        503,
        "ledger_unavailable",
        "The ledger's mode is `strict` and no row can be written; or the ledger did not answer a caller's query, or \
         could not record whose a video job is.",
        "Try again. Operator: repair the database, or free disk space.",
    ),
    row(
        ErrorCode::KeysUnavailable,
        503,
        "keys_unavailable",
        "The key may be one in the database, and the list of these keys is older than `CALLSIGN_KEYS_MAX_STALE_SECONDS` \
         because the database does not answer.",
        "Try again. Operator: check the database of the state; `/readyz` names it.",
    ),
    row(
        ErrorCode::ArchiveUnavailable,
        503,
        "archive_unavailable",
        "The request cannot be archived, and `CALLSIGN_ARCHIVE_REQUIRED` is on.",
        "Try again. Operator: check the archive's directory and its free space.",
    ),
    row(
        ErrorCode::Draining,
        503,
        "draining",
        "This callsign is stopping.",
        "Try again; another node, or the new process, answers.",
    ),
    row(
        ErrorCode::UpstreamTimeout,
        504,
        "upstream_timeout",
        "OpenRouter did not accept the connection, or did not begin its response, in time.",
        "Try again. Operator: check the network and OpenRouter's status page.",
    ),
];

impl ErrorCode {
    /// Returns the code's row.
    pub fn row(self) -> &'static ErrorCodeRow {
        &TABLE[self as usize]
    }

    /// Returns the value of the header `x-callsign-error`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the error type in both dialects.
    pub fn kind(self) -> &'static str {
        kind_of(self.row().status)
    }

    /// Finds the code with this name.
    pub fn find(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.code)
    }
}

/// Returns the error type of a status, in the words of Anthropic's list of errors (`docs/SPEC.md#error-shape`).
fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_one_row_in_order() {
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.code as usize, number, "{}: the order of the variants", row.name);
            assert_eq!(row.code.row(), row);
            assert_eq!(ErrorCode::find(row.name), Some(row.code));
            assert_eq!(row.code.status().as_u16(), row.status);
            assert!(row.cause.ends_with('.') && row.remedy.ends_with('.'), "{}: sentences", row.name);
        }
        assert_eq!(TABLE.len(), ErrorCode::UpstreamTimeout as usize + 1, "the last variant has the last row");
        let names: HashSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len(), "names are unique");
        assert!(TABLE.is_sorted_by_key(|row| row.status));
        assert_eq!(ErrorCode::find("unknown"), None);
    }

    #[test]
    fn the_type_follows_from_the_status() {
        for (code, kind) in [
            (ErrorCode::InvalidJson, "invalid_request_error"),
            (ErrorCode::MissingCredential, "authentication_error"),
            (ErrorCode::UserRequired, "permission_error"),
            (ErrorCode::NotExposed, "not_found_error"),
            (ErrorCode::MethodNotAllowed, "invalid_request_error"),
            (ErrorCode::BodyTooLarge, "request_too_large"),
            (ErrorCode::RateLimited, "rate_limit_error"),
            (ErrorCode::Draining, "overloaded_error"),
            (ErrorCode::UpstreamTimeout, "api_error"),
        ] {
            assert_eq!(code.kind(), kind, "{code:?}");
        }
    }
}
