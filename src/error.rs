//! Errors as callers see them: problem+json (RFC 9457) with a stable code, the field, and what would work.
//!
//! The only place where a library's error becomes an HTTP answer. Unknown errors are 500 without detail and are
//! logged once, here.

use crate::jira::error::JiraError;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// An answer that is not a success.
#[derive(Debug, Clone)]
pub struct AppError {
    status: StatusCode,
    problem: Box<Problem>,
    retry_after_secs: Option<i64>,
}

/// Body of such an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Always `about:blank`: the code tells the kind.
    pub r#type: String,
    /// What went wrong, in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable name of the kind of problem.
    pub code: String,
    /// What went wrong and what would work.
    pub detail: String,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Of a conflict: what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yours: Option<serde_json::Value>,
    /// Of a conflict: what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<serde_json::Value>,
}

/// Result of everything that answers a request.
pub type AppResult<T> = Result<T, AppError>;

impl AppError {
    fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            problem: Box::new(Problem {
                r#type: "about:blank".into(),
                title: status.canonical_reason().unwrap_or("Error").into(),
                status: status.as_u16(),
                code: code.into(),
                detail: detail.into(),
                field: None,
                yours: None,
                current: None,
            }),
            retry_after_secs: None,
        }
    }

    /// What the framework refuses before a handler runs.
    pub fn from_status(status: StatusCode) -> Self {
        Self::new(status, "refused", status.canonical_reason().unwrap_or("The request was refused."))
    }

    /// 400: a field or parameter does not have the form or range it should have.
    pub fn invalid(field: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail).on(field)
    }

    /// 401: the caller is not proved. Says no more than that.
    pub fn unauthorized(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// 402: the licence does not allow it.
    pub fn payment_required(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, code, detail)
    }

    /// 403: proved, but not allowed.
    pub fn forbidden(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404: not there, or not to be seen by this caller.
    pub fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409: it collides with what is there.
    pub fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 408: it took too long to arrive, or to be answered.
    pub fn timed_out() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timed_out", "The request took too long. Try again.")
    }

    /// 429: asked too often.
    pub fn too_many(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
    }

    /// 413: too large, ours or Jira's limit.
    pub fn too_large(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail)
    }

    /// 422: understood, but it cannot be done.
    pub fn unprocessable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 503: our fault or Jira's, worth another try.
    pub fn unavailable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// 504: Jira did not say whether it did what was asked. `detail` says what to do.
    pub fn outcome_unknown(detail: &str) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", detail).after(60)
    }

    /// 500 without detail; the cause goes to the log.
    pub fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(cause = %cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.")
    }

    /// Stable name of the kind of problem.
    pub fn code(&self) -> &str {
        &self.problem.code
    }

    /// What went wrong and what would work.
    pub fn detail(&self) -> &str {
        &self.problem.detail
    }

    /// Names the field or parameter at fault.
    pub fn on(mut self, field: &str) -> Self {
        self.problem.field = Some(field.into());
        self
    }

    /// Tells both versions of a conflict.
    pub fn between(mut self, yours: serde_json::Value, current: serde_json::Value) -> Self {
        (self.problem.yours, self.problem.current) = (Some(yours), Some(current));
        self
    }

    /// Says when another try is worth it.
    pub fn after(mut self, secs: i64) -> Self {
        self.retry_after_secs = Some(secs.max(1));
        self
    }
}

impl AppError {
    /// The same for Forge: 401 says there that the token is bad and nothing else, and bodies are JSON
    /// (<https://developer.atlassian.com/platform/forge/remote/essentials/>).
    pub fn for_forge(&self) -> HttpResponse {
        let mut error = self.clone();
        let of_token = ["token_missing", "token_refused"].contains(&error.code());
        if error.status == StatusCode::UNAUTHORIZED && !of_token {
            error.status = StatusCode::FORBIDDEN;
            error.problem.status = error.status.as_u16();
            error.problem.title = error.status.canonical_reason().unwrap_or("Error").into();
        }
        error.answer("application/json")
    }

    fn answer(&self, media_type: &'static str) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(secs) = self.retry_after_secs {
            response.insert_header((RETRY_AFTER, secs.to_string()));
        }
        // Serialising by hand keeps the media type, which `.json()` would replace.
        match serde_json::to_string(&self.problem) {
            Ok(body) => response.content_type(media_type).body(body),
            Err(_) => response.finish(),
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.problem.status, self.problem.code)
    }
}

impl std::error::Error for AppError {}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.answer("application/problem+json")
    }
}

impl From<hourbook_store::error::Error> for AppError {
    fn from(error: hourbook_store::error::Error) -> Self {
        use hourbook_store::error::Error;
        match error {
            Error::Closed => Self::unauthorized("unknown_tenant", "Hourbook is not installed here."),
            Error::Unavailable(_) => {
                tracing::warn!(%error, "no database connection");
                Self::unavailable(
                    "database_unavailable",
                    "The database does not answer. Try again in a moment.",
                )
                .after(5)
            }
            Error::Held => Self::unavailable(
                "held",
                "Hourbook is working on this site's database at the moment. Try again in a minute.",
            )
            .after(30),
            other => Self::internal(&other),
        }
    }
}

impl From<JiraError> for AppError {
    fn from(error: JiraError) -> Self {
        match error {
            JiraError::BadRequest(reason) => {
                let field = reason.field.clone();
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "jira_refused", reason.text);
                match field {
                    Some(field) => problem.on(&field),
                    None => problem,
                }
            }
            JiraError::Unauthorized | JiraError::Forbidden(_) => Self::forbidden(
                "jira_forbidden",
                "Jira does not allow this for your account. Ask an admin of the project for the permission.",
            ),
            // Pages ask again in a way that brings the token: see `frontend/src/host/forge.ts`.
            JiraError::NoUserToken => Self::forbidden(
                "user_token_missing",
                "This has to be asked of Jira as you, and the request did not bring what that needs. Reload the page \
                 and try again.",
            ),
            JiraError::NoSystemToken => Self::unavailable(
                "system_token_missing",
                "Hourbook waits for Jira to let it in again, which happens within minutes. Try again then.",
            )
            .after(60),
            JiraError::NotFound(reason) => Self::not_found("jira_not_found", reason.text),
            JiraError::TooLarge(reason) => Self::too_large("jira_limit", reason.text),
            JiraError::RateLimited { wait_secs } => Self::unavailable(
                "jira_rate_limited",
                "Jira takes no more requests from Hourbook for the moment. Try again later.",
            )
            .after(wait_secs),
            JiraError::Unavailable(cause) => {
                tracing::warn!(%cause, "Jira could not be asked");
                Self::unavailable(
                    "jira_unavailable",
                    "Jira does not answer at the moment. Nothing was changed.",
                )
                .after(10)
            }
            JiraError::OutcomeUnknown(cause) => {
                tracing::warn!(%cause, "Jira did not say what became of a write");
                Self::outcome_unknown(
                    "Jira did not answer in time. Look at the worklog again in a minute before you send it again.",
                )
            }
            JiraError::Unexpected(cause) => {
                tracing::error!(%cause, "unexpected answer of Jira");
                Self::new(
                    StatusCode::BAD_GATEWAY,
                    "jira_unexpected",
                    "Jira gave an answer that Hourbook does not understand.",
                )
            }
        }
    }
}
