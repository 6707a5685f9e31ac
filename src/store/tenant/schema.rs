//! Tables of a tenant database.

diesel::table! {
    worklogs (client_worklog_id) {
        client_worklog_id -> BigInt,
        account_id -> Text,
        client_issue_id -> BigInt,
        comment -> Nullable<Binary>,
        created -> BigInt,
        updated -> BigInt,
        started -> BigInt,
        time_spent_seconds -> BigInt,
        visibility -> SmallInt,
        visibility_id -> Nullable<Text>,
        read_after -> Nullable<BigInt>,
        unreadable_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    tags (tag_id) {
        tag_id -> BigInt,
        name -> Binary,
        named_at -> BigInt,
        archived -> Bool,
    }
}

diesel::table! {
    worklog_tags (client_worklog_id, tag_id) {
        client_worklog_id -> BigInt,
        tag_id -> BigInt,
    }
}

diesel::table! {
    issues (client_issue_id) {
        client_issue_id -> BigInt,
        client_project_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    tombstones (client_worklog_id) {
        client_worklog_id -> BigInt,
        cause -> SmallInt,
        client_container_id -> Nullable<BigInt>,
        recorded_at -> BigInt,
    }
}

diesel::table! {
    cursors (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    settings (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    sync_runs (run_id) {
        run_id -> BigInt,
        kind -> Text,
        state -> Text,
        started_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        pages -> BigInt,
        written -> BigInt,
        deleted -> BigInt,
        unreadable -> BigInt,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    write_intents (account_id, key_hash) {
        account_id -> Text,
        key_hash -> Text,
        request_hash -> Text,
        client_issue_id -> BigInt,
        started -> BigInt,
        client_worklog_id -> Nullable<BigInt>,
        claimed_at -> BigInt,
    }
}

diesel::table! {
    audit (audit_id) {
        audit_id -> BigInt,
        recorded_at -> BigInt,
        account_id -> Nullable<Text>,
        action -> Text,
        subject -> Nullable<Text>,
    }
}

diesel::table! {
    changes (seq) {
        seq -> BigInt,
        worklog_ids -> Nullable<Binary>,
    }
}

diesel::table! {
    saved_reports (report_id) {
        report_id -> BigInt,
        account_id -> Text,
        definition -> Binary,
        version -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    fences (lane) {
        lane -> Text,
        token -> BigInt,
    }
}

diesel::table! {
    closed_accounts (pseudonym) {
        pseudonym -> Text,
        closed_at -> BigInt,
    }
}

diesel::joinable!(worklog_tags -> worklogs (client_worklog_id));
diesel::allow_tables_to_appear_in_same_query!(worklogs, worklog_tags, issues, tags, tombstones);
