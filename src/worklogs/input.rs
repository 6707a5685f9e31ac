//! What people send, checked before Jira hears of it.

use super::adf;
use super::duration;
use super::property::MOST_TAGS;
use crate::error::{AppError, AppResult};
use crate::jira::configuration::TimeTracking;
use crate::jira::time;
use crate::jira::worklogs::Estimate;
use serde::Serialize;
use serde_json::Value;

/// Longest comment, bytes of JSON: Jira's own limit for a text field.
const LONGEST_COMMENT: usize = 32_767;
/// Longest worklog, seconds: a year.
const LONGEST: i64 = 365 * 86_400;
/// Earliest and latest start that is taken (the years 1990 and 2100), ms.
const STARTS: std::ops::Range<i64> = 631_152_000_000..4_102_444_800_000;

/// Fields of a worklog; on an edit what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Fields {
    /// When the work was started, ms.
    pub started: Option<i64>,
    /// Time spent.
    pub seconds: Option<i64>,
    /// The comment, ADF.
    pub comment: Option<Value>,
    /// Ids of the tags.
    pub tags: Option<Vec<i64>>,
    /// What happens to the remaining estimate.
    #[serde(skip)]
    pub estimate: Estimate,
}

/// An instant with its zone.
///
/// # Errors
/// Says what the form is.
pub fn started(text: &str) -> AppResult<i64> {
    let at = time::parse(text).ok_or_else(|| {
        AppError::invalid(
            "started",
            "started_invalid",
            "Write the start as an instant with its zone, such as 2026-03-02T09:00:00+01:00.",
        )
    })?;
    if STARTS.contains(&at) {
        Ok(at)
    } else {
        Err(AppError::invalid(
            "started",
            "started_out_of_range",
            "The start has to lie between 1990 and 2100.",
        ))
    }
}

/// The `updated` that somebody saw.
///
/// # Errors
/// Says what the form is.
pub fn seen(text: &str) -> AppResult<i64> {
    time::parse(text).ok_or_else(|| {
        AppError::invalid("ifUpdated", "if_updated_invalid", "Send ifUpdated as you got it in updated.")
    })
}

/// Seconds, or a duration as typed; not both.
///
/// # Errors
/// Says what is wrong with the number or the text.
pub fn seconds(
    seconds: Option<i64>,
    typed: Option<&str>,
    site: &TimeTracking,
    language: &str,
) -> AppResult<Option<i64>> {
    match (seconds, typed) {
        (Some(_), Some(_)) => Err(AppError::invalid(
            "duration",
            "duration_twice",
            "Send either timeSpentSeconds or duration, not both.",
        )),
        (Some(seconds), None) if (60..=LONGEST).contains(&seconds) => Ok(Some(seconds)),
        (Some(_), None) => Err(AppError::invalid(
            "timeSpentSeconds",
            "seconds_out_of_range",
            format!("timeSpentSeconds has to be from 60 (a minute) to {LONGEST} (a year)."),
        )),
        (None, Some(typed)) => match duration::read(typed, site, language) {
            Ok(reading) => Ok(Some(reading.seconds)),
            Err(problem) => {
                Err(AppError::invalid("duration", &format!("duration_{}", problem.code), problem.message))
            }
        },
        (None, None) => Ok(None),
    }
}

/// Plain text or a document; not both. An empty text clears the comment.
///
/// # Errors
/// When both are given, or the document is none or too long.
pub fn comment(text: Option<&str>, document: Option<Value>) -> AppResult<Option<Value>> {
    let document = match (text, document) {
        (Some(_), Some(_)) => {
            return Err(AppError::invalid(
                "commentAdf",
                "comment_twice",
                "Send either comment or commentAdf, not both.",
            ));
        }
        (Some(""), None) => adf::empty(),
        (Some(text), None) => adf::from_text(text),
        (None, Some(document)) if adf::is_document(&document) => document,
        (None, Some(_)) => {
            return Err(AppError::invalid(
                "commentAdf",
                "comment_not_adf",
                "commentAdf has to be an Atlassian document: {\"type\":\"doc\",\"version\":1,\"content\":[...]}.",
            ));
        }
        (None, None) => return Ok(None),
    };
    if document.to_string().len() > LONGEST_COMMENT {
        return Err(AppError::too_large(
            "comment_too_long",
            format!("A comment takes at most {LONGEST_COMMENT} characters in Jira. Shorten it."),
        )
        .on("comment"));
    }
    Ok(Some(document))
}

/// Ids of tags, each once.
///
/// # Errors
/// When there are too many, or one is no id.
pub fn tags(given: Option<&[String]>) -> AppResult<Option<Vec<i64>>> {
    let Some(given) = given else { return Ok(None) };
    if given.len() > MOST_TAGS {
        return Err(AppError::invalid(
            "tags",
            "too_many_tags",
            format!("A worklog takes at most {MOST_TAGS} tags."),
        ));
    }
    let mut ids = given
        .iter()
        .map(|id| id.parse::<i64>().ok().filter(|id| *id > 0))
        .collect::<Option<Vec<i64>>>()
        .ok_or_else(|| {
            AppError::invalid("tags", "tag_invalid", "Tags are given by their ids, as strings.")
        })?;
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// What happens to the remaining estimate. `by` is `reduceBy` on create and `increaseBy` on delete.
///
/// # Errors
/// When the parts do not fit together.
pub fn estimate(
    adjust: Option<&str>,
    new_estimate: Option<&str>,
    by: Option<(&'static str, &str)>,
) -> AppResult<Estimate> {
    let manual = by.map_or("reduceBy", |(name, _)| name);
    match (adjust, new_estimate, by) {
        (None | Some("auto" | "leave"), None, None)
        | (Some("new"), Some(_), None)
        | (Some("manual"), None, Some(_)) => {}
        (Some("new"), ..) => {
            return Err(AppError::invalid(
                "newEstimate",
                "estimate_missing",
                "With adjustEstimate \"new\" send newEstimate, such as \"2d\".",
            ));
        }
        (Some("manual"), ..) => {
            return Err(AppError::invalid(
                manual,
                "estimate_missing",
                format!("With adjustEstimate \"manual\" send {manual}, such as \"2h\"."),
            ));
        }
        (None | Some("auto" | "leave"), ..) => {
            return Err(AppError::invalid(
                "adjustEstimate",
                "estimate_without_adjust",
                "newEstimate goes with adjustEstimate \"new\", reduceBy and increaseBy with \"manual\".",
            ));
        }
        (Some(_), ..) => {
            return Err(AppError::invalid(
                "adjustEstimate",
                "adjust_estimate_invalid",
                "adjustEstimate is auto, new, leave or manual.",
            ));
        }
    }
    let short = |text: &str| text.len() <= 32;
    if !new_estimate.is_none_or(short) || !by.is_none_or(|(_, text)| short(text)) {
        return Err(AppError::invalid(
            "newEstimate",
            "estimate_too_long",
            "An estimate is short, such as \"2d 4h\".",
        ));
    }
    Ok(Estimate {
        adjust: adjust.map(str::to_owned),
        new_estimate: new_estimate.map(str::to_owned),
        by: by.map(|(name, text)| (name, text.to_owned())),
    })
}
