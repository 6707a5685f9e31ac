//! The storage layer from outside: sealed columns, bulk statements. The schema test is in `src/store/tests.rs`.

use tempfile::TempDir;

/// What is stored can be read by nobody without the key, and by nobody in another row or tenant.
#[tokio::test]
async fn sealed_columns_do_not_open_elsewhere() {
    use hourbook_crypto::datakey::DataKey;
    use hourbook_crypto::tenant::TenantCipher;
    use hourbook_store::plain::Plain;
    use hourbook_store::tenant::worklogs::{Visibility, Worklog, by_ids, put};
    use std::sync::Arc;

    let dir = TempDir::new().unwrap();
    let template = dir.path().join("template.db");
    hourbook_store::migrate::make_template(&template).unwrap();
    let key = DataKey::generate(1);
    let open = |tenant: &str, folder: &str| {
        let cipher = Arc::new(TenantCipher::new(tenant, &key));
        Arc::new(
            hourbook_store::tenant::TenantDb::open(tenant, &dir.path().join(folder), &template, cipher)
                .unwrap(),
        )
    };
    let worklog = Worklog {
        id: 7,
        issue_id: 1,
        account_id: "a".into(),
        comment: Some(Plain::new("\"canary\"")),
        created: 1,
        updated: 1,
        started: 1,
        seconds: 60,
        visibility: Visibility::Group("g".into()),
        tags: vec![],
        needs_read: false,
    };
    let ours = open("ours", "one");
    let row = worklog.clone();
    ours.write(move |db| put(db, &[row])).await.unwrap();
    assert_eq!(ours.read(|db| by_ids(db, &[7])).await.unwrap(), [worklog]);
    ours.close();
    assert!(matches!(ours.read(|db| by_ids(db, &[7])).await, Err(hourbook_store::error::Error::Closed)));
    drop(ours);
    let theirs = open("theirs", "one");
    let refused = theirs.read(|db| by_ids(db, &[7])).await;
    assert!(matches!(refused, Err(hourbook_store::error::Error::Corrupt(_))), "{refused:?}");
}

/// A statement takes more ids than SQLite has binds.
#[tokio::test]
async fn bulk_statements_are_split() {
    use hourbook_crypto::datakey::DataKey;
    use hourbook_crypto::tenant::TenantCipher;
    use hourbook_store::tenant::{tombstones, worklogs};
    use std::sync::Arc;
    let dir = TempDir::new().unwrap();
    let template = dir.path().join("template.db");
    hourbook_store::migrate::make_template(&template).unwrap();
    let cipher = Arc::new(TenantCipher::new("t", &DataKey::generate(1)));
    let db = Arc::new(
        hourbook_store::tenant::TenantDb::open("t", &dir.path().join("t"), &template, cipher).unwrap(),
    );
    let ids: Vec<i64> = (1..=50_000).collect();
    let asked = ids.clone();
    db.write(move |db| tombstones::put(db, &asked, tombstones::Cause::Worklog, 1)).await.unwrap();
    let (found, versions) = db
        .read(move |db| Ok((tombstones::of(db, &ids)?.len(), worklogs::versions(db, &ids)?.len())))
        .await
        .unwrap();
    assert_eq!((found, versions), (50_000, 0));
}
