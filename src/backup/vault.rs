//! Where sealed files are kept: a folder, or a bucket of any store that speaks S3. Everything of an installation lies
//! under one prefix, old versions of objects included.

mod s3;

use crate::config::Env;
use crate::files::remove_folder;
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;
use url::Url;

/// Parts of an upload that are under way at once, of 5 MiB each.
const AT_ONCE: usize = 4;

/// Pieces without a byte before a reader gives up: of a file that was cut off after it was opened, the library gives
/// them without end.
const EMPTY_PIECES: u32 = 1000;

/// Which folder or bucket, as configured; its `Debug` shows no secret.
#[derive(Clone)]
pub enum Whereabouts {
    /// `HOURBOOK_BACKUP_DIR`, or `file://` in `HOURBOOK_BACKUP_URL`.
    Folder(PathBuf),
    /// `s3://bucket/prefix?region=...&endpoint=...`
    S3(Box<s3::Bucket>),
}

impl Whereabouts {
    /// Reads an address; credentials of a bucket come from the variables that Amazon's own tools read.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str, env: &Env) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "not a URL: s3://bucket/prefix or file:///folder")?;
        match url.scheme() {
            "file" => url.to_file_path().map(Self::Folder).map_err(|()| "file:///folder".into()),
            "s3" => Ok(Self::S3(Box::new(s3::Bucket::parse(&url, env)?))),
            other => Err(format!("it begins with s3:// or file://, not {other}://")),
        }
    }
}

impl fmt::Debug for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::S3(bucket) => write!(f, "s3://{}/{}", bucket.name, bucket.prefix),
        }
    }
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole name within the vault.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// A folder or a bucket that is open.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    /// Under which everything lies, without slashes at its ends.
    prefix: String,
    folder: Option<PathBuf>,
    versions: Option<Arc<s3::Versions>>,
    handle: Handle,
}

impl Vault {
    /// Opens it; has to be called on a runtime, on which its reads and writes run.
    ///
    /// # Errors
    /// When a folder cannot be made, or a bucket is misconfigured.
    pub fn open(at: &Whereabouts) -> anyhow::Result<Self> {
        let handle = Handle::current();
        Ok(match at {
            Whereabouts::Folder(folder) => {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                let store = LocalFileSystem::new_with_prefix(folder)
                    .with_context(|| format!("opening {}", folder.display()))?
                    .with_fsync(true)
                    .with_automatic_cleanup(true);
                let folder = Some(folder.clone());
                Self { store: Arc::new(store), prefix: String::new(), folder, versions: None, handle }
            }
            Whereabouts::S3(bucket) => {
                let store = bucket.store()?;
                let versions = Some(Arc::new(s3::Versions::new(bucket, &store)?));
                let prefix = bucket.prefix.clone();
                Self { store: Arc::new(store), prefix, folder: None, versions, handle }
            }
        })
    }

    /// The same, for everything below a prefix.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Self {
        let folder = self.folder.as_ref().map(|folder| folder.join(prefix));
        let prefix = self.full(prefix);
        Self {
            // The store of a folder names from its root, which stays.
            prefix,
            folder,
            ..self.clone()
        }
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    fn at(&self, name: &str) -> Path {
        // As listed; a name that nobody listed is taken letter by letter.
        let full = self.full(name);
        Path::parse(&full).unwrap_or_else(|_| Path::from(full))
    }

    /// What lies below a prefix, by name.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn list(&self, prefix: &str) -> anyhow::Result<Vec<Object>> {
        let at = self.at(prefix);
        let cut = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let mut found: Vec<Object> = self
            .store
            .list(Some(&at))
            .map_ok(|meta| Object {
                path: meta.location.as_ref().get(cut..).unwrap_or_default().to_owned(),
                bytes: meta.size,
            })
            .try_collect()
            .await
            .with_context(|| format!("listing {prefix}"))?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Removes an object with all its versions; one that is not there is fine.
    ///
    /// # Errors
    /// When the store does not do it.
    pub async fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.at(name);
        match &self.versions {
            Some(versions) => versions.remove(path.as_ref(), true).await,
            None => match self.store.delete(&path).await {
                Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => Err(error.into()),
                _ => Ok(()),
            },
        }
        .with_context(|| format!("removing {name}"))
    }

    /// Removes everything below a prefix, with all versions, and what a crash left half written.
    ///
    /// # Errors
    /// When the store does not do it.
    pub async fn remove_all(&self, prefix: &str) -> anyhow::Result<()> {
        ensure!(!prefix.is_empty(), "everything at once is never removed");
        match (&self.versions, &self.folder) {
            (Some(versions), _) => versions.remove(&format!("{}/", self.full(prefix)), false).await,
            (None, Some(folder)) => {
                let folder = folder.join(prefix);
                tokio::task::spawn_blocking(move || Ok(remove_folder(&folder)?)).await?
            }
            (None, None) => bail!("a store without a way to remove"),
        }
        .with_context(|| format!("removing {prefix}"))
    }

    /// How many objects and old versions lie below a prefix.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn remains(&self, prefix: &str) -> anyhow::Result<usize> {
        match (&self.versions, &self.folder) {
            (Some(versions), _) => Ok(versions.list(&format!("{}/", self.full(prefix)), false).await?.len()),
            (None, Some(folder)) => Ok(usize::from(std::fs::exists(folder.join(prefix))?)),
            (None, None) => Ok(self.list(prefix).await?.len()),
        }
    }

    /// Begins an object, which is there once it is finished. For blocking threads.
    ///
    /// # Errors
    /// When the store does not begin it.
    pub fn writer(&self, name: &str) -> anyhow::Result<VaultWriter> {
        let _runtime = self.handle.enter();
        let upload = self.handle.block_on(self.store.put_multipart(&self.at(name)))?;
        Ok(VaultWriter { upload: Some(WriteMultipart::new(upload)), handle: self.handle.clone(), bytes: 0 })
    }

    /// Opens an object. For blocking threads.
    ///
    /// # Errors
    /// When it is not there, or the store cannot be asked.
    pub fn reader(&self, name: &str) -> anyhow::Result<VaultReader> {
        let got = self.handle.block_on(self.store.get(&self.at(name)));
        let content = got.with_context(|| format!("opening {name}"))?.into_stream();
        Ok(VaultReader { content, piece: Bytes::new(), handle: self.handle.clone() })
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn has(&self, name: &str) -> anyhow::Result<bool> {
        match self.store.head(&self.at(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// An object that is being written. Dropped without [`VaultWriter::finish`], it never was.
pub struct VaultWriter {
    upload: Option<WriteMultipart>,
    handle: Handle,
    bytes: u64,
}

impl VaultWriter {
    /// Makes it an object; returns its bytes. It is durable then.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        if let Some(upload) = self.upload.take() {
            let _runtime = self.handle.enter();
            self.handle.block_on(upload.finish())?;
        }
        Ok(self.bytes)
    }
}

impl Write for VaultWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let upload = self.upload.as_mut().ok_or_else(|| io::Error::other("written after its end"))?;
        let _runtime = self.handle.enter();
        self.handle.block_on(upload.wait_for_capacity(AT_ONCE)).map_err(io::Error::other)?;
        upload.write(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for VaultWriter {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            let _runtime = self.handle.enter();
            if let Err(error) = self.handle.block_on(upload.abort()) {
                tracing::warn!(%error, "an upload that was given up could not be taken back");
            }
        }
    }
}

/// An object that is being read.
pub struct VaultReader {
    content: BoxStream<'static, object_store::Result<Bytes>>,
    piece: Bytes,
    handle: Handle,
}

impl Read for VaultReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut empty = 0;
        while self.piece.is_empty() {
            match self.handle.block_on(self.content.next()) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
            empty += 1;
            if empty > EMPTY_PIECES {
                let cut_off = "it was cut off while it was read";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, cut_off));
            }
        }
        let piece = self.piece.split_to(into.len().min(self.piece.len()));
        into[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}
