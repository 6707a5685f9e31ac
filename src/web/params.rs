//! Parameters of the API: ids, days and instants, positions in a list.

use crate::error::{AppError, AppResult};
use crate::jira::time;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

/// Items of a list unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Items of a list at most.
const MOST: usize = 1000;

/// A numeric id in a path or query.
///
/// # Errors
/// 400 that names the parameter.
pub fn id(name: &str, text: &str) -> AppResult<i64> {
    text.parse::<i64>().ok().filter(|id| *id > 0).ok_or_else(|| {
        AppError::invalid(name, "id_invalid", format!("{name} is a numeric id, not a key or a name."))
    })
}

/// How many items a list may have.
///
/// # Errors
/// 400 outside 1 to 1000.
pub fn limit(text: Option<&str>) -> AppResult<usize> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    text.parse::<usize>().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(|| {
        AppError::invalid("limit", "limit_invalid", format!("limit is a number from 1 to {MOST}."))
    })
}

/// A zone by its IANA name; UTC if none is given.
///
/// # Errors
/// 400 for an unknown name.
pub fn zone(name: Option<&str>) -> AppResult<Tz> {
    name.map_or(Ok(Tz::UTC), |name| {
        name.parse().map_err(|_| {
            AppError::invalid("zone", "zone_unknown", "zone is an IANA name, such as Europe/Berlin.")
        })
    })
}

/// A day (its first instant in `zone`) or an instant. Milliseconds since 1970, UTC.
///
/// # Errors
/// 400 that names the parameter.
pub fn instant(name: &str, text: &str, zone: Tz) -> AppResult<i64> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        if let Some(first) = first_instant(day, zone) {
            return Ok(first);
        }
    } else if let Some(at) = time::parse(text) {
        return Ok(at);
    }
    Err(AppError::invalid(
        name,
        "instant_invalid",
        format!("{name} is a day such as 2026-03-02, or an instant such as 2026-03-02T09:00:00Z."),
    ))
}

/// Some days begin later than midnight, where clocks are put forward then.
fn first_instant(day: NaiveDate, zone: Tz) -> Option<i64> {
    let midnight = day.and_hms_opt(0, 0, 0)?;
    (0..=180)
        .step_by(15)
        .filter_map(|minutes| midnight.checked_add_signed(chrono::TimeDelta::minutes(minutes)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map(|at| at.with_timezone(&Utc).timestamp_millis())
}

/// What the framework could not read, in the API's own form.
pub fn unreadable(error: &dyn std::fmt::Display) -> AppError {
    AppError::invalid("", "parameters_invalid", format!("{error}. See /api/openapi.json."))
}

/// A position as the caller sees it.
pub fn cursor(position: (i64, i64)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", position.0, position.1))
}

/// Reads a position back.
///
/// # Errors
/// 400 for anything that was not given out.
pub fn position(cursor: &str) -> AppResult<(i64, i64)> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (started, id) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        Some((started.parse().ok()?, id.parse().ok()?))
    };
    read().ok_or_else(|| {
        AppError::invalid(
            "cursor",
            "cursor_invalid",
            "Take cursor from nextCursor of the page before, unchanged.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_its_first_instant_in_the_zone() {
        let at =
            |text: &str, zone: &str| instant("from", text, zone.parse().expect("zone")).expect("instant");
        assert_eq!(at("2026-03-02", "UTC"), 1_772_409_600_000);
        assert_eq!(at("2026-03-02", "Europe/Berlin"), 1_772_409_600_000 - 3_600_000);
        // Clocks went from 24:00 to 01:00 in Santiago, so the day began at 01:00 (-03).
        assert_eq!(at("2026-09-06", "America/Santiago"), at("2026-09-06T01:00:00-03:00", "UTC"));
        assert_eq!(at("2026-03-02T10:00:00+01:00", "Asia/Tokyo"), at("2026-03-02T09:00:00Z", "UTC"));
        assert!(instant("from", "02.03.2026", Tz::UTC).is_err());
    }

    #[test]
    fn positions_come_back() {
        assert_eq!(position(&cursor((-5, 7))).expect("position"), (-5, 7));
        assert!(position("!!").is_err() && position("").is_err());
    }
}
