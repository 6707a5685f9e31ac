//! Answers as Forge wants them.

use crate::error::AppError;
use crate::sites::AllowedSites;
use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_DISPOSITION, ETAG, RETRY_AFTER};
use actix_web::middleware::Next;

/// Browsers ask again after so many seconds.
const PREFLIGHT_SECS: usize = 3600;

/// Lets pages call that Forge serves, and no others. They carry their token in a header, and no cookies.
pub fn cross_origin(origins: AllowedSites) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| origins.check(origin).is_ok()))
        .allowed_methods(["GET", "POST", "PUT", "DELETE"])
        .allow_any_header()
        .expose_headers([CONTENT_DISPOSITION, ETAG, RETRY_AFTER])
        .max_age(PREFLIGHT_SECS)
}

/// Errors as JSON, and 401 for bad tokens alone.
///
/// # Errors
/// None of its own.
pub async fn as_forge_wants(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let answered = next.call(request).await?.map_into_boxed_body();
    let told = answered.response().error().map(|error| match error.as_error::<AppError>() {
        Some(error) => error.for_forge(),
        // What the framework itself refuses.
        None => AppError::from_status(error.as_response_error().status_code()).for_forge(),
    });
    Ok(match told {
        Some(response) => answered.into_response(response),
        None => answered,
    })
}
