//! The change feeds and bulk reads.

use super::{Answer, Call};
use crate::state::State;
use crate::views;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE: usize = 1000;

pub(super) fn updated(call: &Call<'_>) -> Answer {
    let state = call.site.state();
    if !state.time_tracking {
        return Answer::error(404, "Time Tracking is currently disabled.");
    }
    page(call, "updated", &state, &state.updated)
}

pub(super) fn deleted(call: &Call<'_>) -> Answer {
    let state = call.site.state();
    if !state.time_tracking {
        return Answer::error(404, "Time Tracking is currently disabled.");
    }
    page(call, "deleted", &state, &state.deleted)
}

fn page(call: &Call<'_>, feed: &str, state: &State, changes: &BTreeSet<(i64, i64)>) -> Answer {
    let since = call.number("since").unwrap_or(0);
    let visible = call.site.clock.now_ms() - state.withheld_ms;
    let from = if state.feeds_include_since { since } else { since + 1 };
    // Of what lives, the app sees what it may read; deletions are ids only.
    let seen = |id: i64| state.worklogs.get(&id).is_none_or(|worklog| call.may_read(state, worklog));
    let mut rest =
        changes.range((from, i64::MIN)..).take_while(|(at, _)| *at <= visible).filter(|(_, id)| seen(*id));
    let values: Vec<(i64, i64)> = rest.by_ref().take(state.feed_page).copied().collect();
    let last_page = rest.next().is_none();
    let until = values.last().map_or(since, |(at, _)| *at);
    let url = |since: i64| format!("{}/rest/api/3/worklog/{feed}?since={since}", call.site.base_url);
    let mut body = json!({
        "self": url(since),
        "since": since,
        "until": until,
        "lastPage": last_page,
        "values": values.iter().map(|(at, id)| json!({ "worklogId": id, "updatedTime": at, "properties": [] })).collect::<Vec<Value>>(),
    });
    if !last_page {
        body["nextPage"] = json!(url(until));
    }
    Answer::ok(body)
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let ids: Vec<i64> = call
        .body
        .get("ids")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_i64)
        .collect();
    if ids.is_empty() || ids.len() > PAGE {
        return Answer::error(400, "There must be 1 to 1000 worklog ids.");
    }
    let state = call.site.state();
    if !state.time_tracking {
        return Answer::error(404, "Time Tracking is currently disabled.");
    }
    let found: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.worklogs.get(id))
        .filter(|worklog| call.may_read(&state, worklog))
        .map(|worklog| views::worklog(&call.site.base_url, &state, worklog, call.expands_properties(), false))
        .collect();
    Answer::ok(Value::Array(found))
}
