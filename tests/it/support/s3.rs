//! A real S3 server for tests, in a process of its own: it checks signatures and keeps old versions.

use hourbook::config::Env;
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// It ends with its standard input, and so with the test.
pub struct S3 {
    said: Said,
    child: Child,
}

#[derive(Deserialize)]
struct Said {
    endpoint: String,
    bucket: String,
    id: String,
    secret: String,
}

impl S3 {
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        let python = target.join("test-python/bin/python");
        assert!(python.exists(), "{} is missing: run `make test-python` once", python.display());
        let mut child = Command::new(python)
            .arg(root.join("tests/it/support/s3.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { said: serde_json::from_str(&line).expect("the server starts"), child }
    }

    /// What a server is told that keeps its backups below a prefix.
    pub fn tell(&self, env: &mut Env, prefix: &str) {
        let Said { endpoint, bucket, id, secret } = &self.said;
        env.insert(
            "HOURBOOK_BACKUP_URL".into(),
            format!("s3://{bucket}/{prefix}?region=eu-central-1&endpoint={endpoint}"),
        );
        env.insert("AWS_ACCESS_KEY_ID".into(), id.clone());
        env.insert("AWS_SECRET_ACCESS_KEY".into(), secret.clone());
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
