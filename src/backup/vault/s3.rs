//! Buckets: their configuration, and the versions of objects, which the `object_store` crate does not know. Where a
//! bucket keeps old versions, removing an object means removing each of them.

use crate::config::Env;
use crate::tls;
use anyhow::{Context, ensure};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::{ClientOptions, RetryConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::time::Duration;
use url::Url;

/// What stays as it is in a signed path or query (SigV4).
const STAYS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const IN_PATH: &AsciiSet = &STAYS.remove(b'/');

/// A bucket as configured.
#[derive(Clone)]
pub struct Bucket {
    pub(super) name: String,
    pub(super) prefix: String,
    region: String,
    endpoint: String,
    credentials: Vec<(AmazonS3ConfigKey, String)>,
}

impl Bucket {
    pub(super) fn parse(url: &Url, env: &Env) -> Result<Self, String> {
        let name = url.host_str().filter(|name| !name.is_empty()).ok_or("it names a bucket")?.to_owned();
        let (mut region, mut endpoint) = ("eu-central-1".to_owned(), None);
        for (key, value) in url.query_pairs() {
            match &*key {
                "region" => region = value.into_owned(),
                "endpoint" => endpoint = Some(value.trim_end_matches('/').to_owned()),
                other => return Err(format!("{other} is none of region and endpoint")),
            }
        }
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        // Also without TLS: what is sent is sealed, and requests are signed with a secret that does not travel.
        if !matches!(Url::parse(&endpoint).map_err(|_| "the endpoint is no URL")?.scheme(), "http" | "https")
        {
            return Err("the endpoint is https://... or http://...".into());
        }
        let prefix = url.path().trim_matches('/').to_owned();
        let given = env.iter().filter(|(key, value)| key.starts_with("AWS_") && !value.is_empty());
        let credentials = given
            .filter_map(|(key, value)| Some((key.to_lowercase().parse().ok()?, value.clone())))
            .collect();
        Ok(Self { name, prefix, region, endpoint, credentials })
    }

    fn options(&self) -> ClientOptions {
        ClientOptions::new()
            .with_allow_http(self.endpoint.starts_with("http://"))
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout(Duration::from_secs(120))
    }

    pub(super) fn store(&self) -> anyhow::Result<AmazonS3> {
        tls::prepare();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_region(&self.region)
            .with_endpoint(&self.endpoint)
            .with_virtual_hosted_style_request(false)
            .with_retry(RetryConfig { retry_timeout: Duration::from_secs(60), ..RetryConfig::default() })
            .with_client_options(self.options());
        for (key, value) in &self.credentials {
            builder = builder.with_config(*key, value);
        }
        builder.build().with_context(|| format!("the bucket {}", self.name))
    }
}

/// The versions of a bucket's objects.
pub struct Versions {
    client: HttpClient,
    credentials: AwsCredentialProvider,
    region: String,
    bucket: String,
}

/// One version of an object, or the mark that it was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// Name of the object.
    pub key: String,
    /// `null` where the bucket keeps no versions.
    pub version_id: String,
}

/// The answer of `ListObjectVersions`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listing {
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_version_id_marker: Option<String>,
    version: Vec<Version>,
    delete_marker: Vec<Version>,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, STAYS).to_string()
}

impl Versions {
    pub(super) fn new(bucket: &Bucket, store: &AmazonS3) -> anyhow::Result<Self> {
        Ok(Self {
            client: ReqwestConnector::default().connect(&bucket.options())?,
            credentials: store.credentials().clone(),
            region: bucket.region.clone(),
            bucket: format!("{}/{}", bucket.endpoint, bucket.name),
        })
    }

    async fn call(&self, method: http::Method, url: &str) -> anyhow::Result<bytes::Bytes> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().context("an address that is none")?;
        let credential = self.credentials.get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None)?;
        let response = self.client.execute(request).await?;
        let status = response.status();
        let body = response.into_body().bytes().await?;
        ensure!(status.is_success(), "the object store answered {status}");
        Ok(body)
    }

    /// All versions of the object of that name, or of all whose names begin so.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn list(&self, name: &str, exactly: bool) -> anyhow::Result<Vec<Version>> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            // Parameters in the order in which they are signed.
            let url = format!("{}?{after}prefix={}&versions=", self.bucket, encoded(name));
            let body = self.call(http::Method::GET, &url).await.context("listing versions")?;
            let listing: Listing =
                quick_xml::de::from_reader(&*body).context("reading a list of versions")?;
            found.extend(listing.version);
            found.extend(listing.delete_marker);
            let Some(key) = listing.next_key_marker.filter(|_| listing.is_truncated) else { break };
            let of = listing.next_version_id_marker;
            let of = of.map_or_else(String::new, |id| format!("&version-id-marker={}", encoded(&id)));
            // `key-marker` sorts before `prefix`, `version-id-marker` behind it: servers sort before they sign.
            after = format!("key-marker={}{of}&", encoded(&key));
        }
        found.retain(|version| !exactly || version.key == name);
        Ok(found)
    }

    /// Removes all versions of the object of that name, or of all whose names begin so.
    ///
    /// # Errors
    /// When the store does not do it.
    pub async fn remove(&self, name: &str, exactly: bool) -> anyhow::Result<()> {
        for version in self.list(name, exactly).await? {
            let key = utf8_percent_encode(&version.key, IN_PATH);
            let url = format!("{}/{key}?versionId={}", self.bucket, encoded(&version.version_id));
            self.call(http::Method::DELETE, &url).await.context("removing a version")?;
        }
        Ok(())
    }
}
