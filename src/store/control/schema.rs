//! Tables of the control database.

diesel::table! {
    installations (tenant_id) {
        tenant_id -> Text,
        client_key -> Text,
        base_url -> Text,
        display_url -> Text,
        oauth_client_id -> Nullable<Text>,
        region -> Text,
        state -> Text,
        state_reason -> Nullable<Text>,
        state_since -> BigInt,
        shared_secret -> Nullable<Binary>,
        previous_secret -> Nullable<Binary>,
        previous_secret_until -> Nullable<BigInt>,
        installed_at -> BigInt,
        proven_at -> Nullable<BigInt>,
        incremental_secs -> BigInt,
        next_incremental_at -> BigInt,
        next_reconcile_at -> BigInt,
        receipt_id -> Text,
        wipe -> Nullable<Text>,
        next_backup_at -> BigInt,
        backup_at -> Nullable<BigInt>,
        backup_bytes -> Nullable<BigInt>,
        backup_checked_at -> Nullable<BigInt>,
        next_accounts_at -> BigInt,
    }
}

diesel::table! {
    forge_installations (installation_id) {
        installation_id -> Text,
        tenant_id -> Text,
        cloud_id -> Text,
        environment_id -> Text,
        environment -> Text,
        app_version -> Text,
        state -> Text,
        state_since -> BigInt,
        first_heard_at -> BigInt,
        heard_at -> BigInt,
        system_token -> Nullable<Binary>,
        system_token_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    licences (tenant_id) {
        tenant_id -> Text,
        state -> Text,
        state_since -> BigInt,
        evaluation -> Bool,
        ends_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    account_reports (account_digest) {
        account_digest -> Text,
        held_since -> BigInt,
        next_at -> BigInt,
        closed -> Bool,
        seen_at -> BigInt,
    }
}

diesel::table! {
    jobs (id) {
        id -> BigInt,
        tenant_id -> Text,
        kind -> Text,
        lane -> Text,
        subject -> Text,
        state -> Text,
        run_after -> BigInt,
        attempts -> Integer,
        created_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        error -> Nullable<Text>,
        node_id -> Nullable<Text>,
        fence -> BigInt,
    }
}

diesel::table! {
    nodes (node_id) {
        node_id -> Text,
        version -> Text,
        started_at -> BigInt,
        seen_at -> BigInt,
        notice -> BigInt,
    }
}

diesel::table! {
    notices (id) {
        id -> BigInt,
        posted_at -> BigInt,
        what -> Text,
        tenant_id -> Text,
        subject -> Text,
    }
}

diesel::table! {
    duties (name) {
        name -> Text,
        done_at -> BigInt,
    }
}

diesel::table! {
    fence (one) {
        one -> BigInt,
        token -> BigInt,
    }
}

diesel::table! {
    placements (tenant_id) {
        tenant_id -> Text,
        server -> Text,
        database_name -> Text,
        password -> Nullable<Binary>,
    }
}

diesel::table! {
    holds (tenant_id) {
        tenant_id -> Text,
        kind -> Text,
        reason -> Text,
        since -> BigInt,
    }
}

diesel::table! {
    taken (token_hash) {
        token_hash -> Text,
        body_hash -> Text,
        until -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(jobs, nodes);

diesel::table! {
    receipts (receipt_id) {
        receipt_id -> Text,
        issued_at -> BigInt,
        body -> Text,
        signature -> Text,
    }
}
