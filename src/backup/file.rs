//! One backup file, or another that is sealed like one: a header in clear, then the compressed content in sealed chunks.
//!
//! `HBK1 || header length (4 bytes, big endian) || header (JSON) || chunks`, a chunk being its length with the
//! highest bit set on the last one, and the sealed bytes. How chunks are kept in place: `hourbook_crypto::backup`.

use anyhow::{Context, bail, ensure};
use hourbook_crypto::backup::{BackupKey, Opener, Sealer};
use hourbook_crypto::nonce;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"HBK1";
/// Bytes of a chunk before sealing.
const CHUNK: usize = 256 * 1024;
/// Bytes that sealing adds.
const TAG: usize = 16;
/// Longest header that is read.
const LONGEST_HEADER: usize = 4096;
const LAST: u32 = 1 << 31;
/// Of zstd: the quickest that is worth it.
const LEVEL: i32 = 1;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Of {
    /// A tenant's database, by its id; sealed under that version of its data key.
    Tenant {
        /// The installation.
        tenant: String,
        /// Version of the data key.
        version: u32,
    },
    /// A database of the service, by its name; sealed under that master key.
    System {
        /// `keyring` or `control`.
        database: String,
        /// Id of the master key.
        master: String,
    },
    /// An export that somebody waits for; sealed under that version of the tenant's data key.
    Export {
        /// The installation.
        tenant: String,
        /// Version of the data key.
        version: u32,
    },
}

/// What stands in clear before the content. The content's key is bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// What it is of.
    pub of: Of,
    /// When it was made, ms.
    pub created_at: i64,
    /// Bytes of the database before compression; 0 where that is not known beforehand.
    pub bytes: u64,
    /// Fresh randomness, hex.
    salt: String,
}

impl Header {
    /// For a file that is about to be written.
    pub fn new(of: Of, created_at: i64, bytes: u64) -> Self {
        Self { of, created_at, bytes, salt: hex::encode(nonce::random::<32>()) }
    }
}

/// Writes a backup under a temporary name and renames it, so that a crash leaves no half one; returns its bytes.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(path: &Path, header: &Header, key: &BackupKey, content: &mut impl Read) -> anyhow::Result<u64> {
    let mut file = Writing::create(path, header, key)?;
    io::copy(content, &mut file)?;
    file.finish()
}

/// A file that is being written, under a temporary name until it is whole.
pub struct Writing {
    path: PathBuf,
    partial: PathBuf,
    content: zstd::stream::Encoder<'static, ChunkWriter<BufWriter<File>>>,
}

impl Writing {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, header: &Header, key: &BackupKey) -> anyhow::Result<Self> {
        let partial = path.with_extension("part");
        let file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let header = serde_json::to_vec(header)?;
        let mut out = BufWriter::new(file);
        out.write_all(MAGIC)?;
        out.write_all(&u32::try_from(header.len())?.to_be_bytes())?;
        out.write_all(&header)?;
        let chunks = ChunkWriter { sealer: Sealer::new(key, &header), chunk: Vec::with_capacity(CHUNK), out };
        let content = zstd::stream::Encoder::new(chunks, LEVEL)?;
        Ok(Self { path: path.to_owned(), partial, content })
    }

    /// Gives it its name; returns its bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> anyhow::Result<u64> {
        let folder = self.path.parent().context("a backup lies in a folder")?;
        let file = self.content.finish()?.finish()?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        fs::rename(&self.partial, &self.path)?;
        File::open(folder)?.sync_all()?;
        Ok(bytes)
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the header of a backup, which proves nothing yet.
///
/// # Errors
/// When it is no backup.
pub fn header(path: &Path) -> anyhow::Result<Header> {
    Ok(open(path)?.0)
}

fn open(path: &Path) -> anyhow::Result<(Header, Vec<u8>, BufReader<File>)> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut file = BufReader::new(file);
    let (mut magic, mut length) = ([0; 4], [0; 4]);
    file.read_exact(&mut magic).context("not a backup")?;
    ensure!(&magic == MAGIC, "not a backup of this kind");
    file.read_exact(&mut length).context("cut off in its header")?;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    ensure!(length <= LONGEST_HEADER, "not a backup: its header is too long");
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).context("cut off in its header")?;
    let header = serde_json::from_slice(&bytes).context("a header of another kind")?;
    Ok((header, bytes, file))
}

/// Reads a whole backup; every byte is proved. What was written to `into` counts only if this succeeds.
///
/// # Errors
/// When the file was cut off, changed or put together from others, or the key is another.
pub fn read(
    path: &Path,
    key: impl FnOnce(&Header) -> anyhow::Result<BackupKey>,
    into: &mut impl Write,
) -> anyhow::Result<Header> {
    let (header, mut content) = content(path, key)?;
    let copied = io::copy(&mut content, into).context("the backup does not open")?;
    // The decoder stops at the end of its frame: what is behind it has to be the end of the file.
    let mut chunks = content.finish();
    ensure!(io::copy(&mut chunks, &mut io::sink())? == 0, "something follows the content");
    ensure!(copied == header.bytes, "{copied} bytes where {} were expected", header.bytes);
    Ok(header)
}

/// The content of a file, as it is read.
pub type Content = zstd::stream::Decoder<'static, BufReader<ChunkReader<BufReader<File>>>>;

/// Opens a file for reading; each byte is proved when it is read, that the file is whole only at its end.
///
/// # Errors
/// When it is none, or the key is another.
pub fn content(
    path: &Path,
    key: impl FnOnce(&Header) -> anyhow::Result<BackupKey>,
) -> anyhow::Result<(Header, Content)> {
    let (header, bytes, file) = open(path)?;
    let key = key(&header)?;
    let chunks =
        ChunkReader { opener: Opener::new(&key, &bytes), chunk: Vec::new(), at: 0, last: false, file };
    Ok((header, zstd::stream::Decoder::with_buffer(BufReader::with_capacity(CHUNK, chunks))?))
}

struct ChunkWriter<W: Write> {
    sealer: Sealer,
    chunk: Vec<u8>,
    out: W,
}

impl ChunkWriter<BufWriter<File>> {
    fn finish(mut self) -> anyhow::Result<File> {
        self.put(true)?;
        self.out.into_inner().map_err(|error| error.into_error().into())
    }
}

impl<W: Write> ChunkWriter<W> {
    fn put(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.sealer.seal(&self.chunk, last);
        self.chunk.clear();
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.out.write_all(&(length | if last { LAST } else { 0 }).to_be_bytes())?;
        self.out.write_all(&sealed)
    }
}

impl<W: Write> Write for ChunkWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.put(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens chunk after chunk.
pub struct ChunkReader<R: Read> {
    opener: Opener,
    chunk: Vec<u8>,
    at: usize,
    last: bool,
    file: R,
}

impl<R: Read> ChunkReader<R> {
    fn next(&mut self) -> anyhow::Result<()> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length).context("cut off between two chunks")?;
        let length = u32::from_be_bytes(length);
        let last = length & LAST != 0;
        let length = usize::try_from(length & !LAST)?;
        ensure!(length <= CHUNK + TAG, "a chunk that is too long");
        let mut sealed = vec![0; length];
        self.file.read_exact(&mut sealed).context("cut off within a chunk")?;
        let Ok(opened) = self.opener.open(&sealed, last) else {
            bail!("a chunk does not open: it was changed, or is not in its place, or the key is another");
        };
        self.chunk = opened.to_vec();
        (self.at, self.last) = (0, last);
        if last {
            ensure!(self.file.read(&mut [0])? == 0, "something follows the last chunk");
        }
        Ok(())
    }
}

impl<R: Read> Read for ChunkReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.last {
                return Ok(0);
            }
            self.next().map_err(io::Error::other)?;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(into.len());
        into[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hourbook_crypto::datakey::DataKey;
    use hourbook_crypto::tenant::TenantCipher;
    use proptest::prelude::*;

    fn key() -> BackupKey {
        TenantCipher::new("t", &DataKey::generate(1)).backup_key().1.clone()
    }

    fn made(folder: &Path, key: &BackupKey, content: &[u8]) -> std::path::PathBuf {
        let of = Of::Tenant { tenant: "t".into(), version: 1 };
        let header = Header::new(of, 1, u64::try_from(content.len()).unwrap_or_default());
        let path = folder.join("one.hbk");
        write(&path, &header, key, &mut &content[..]).expect("written");
        path
    }

    fn read_back(path: &Path, key: &BackupKey) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        read(path, |_| Ok(key.clone()), &mut out)?;
        Ok(out)
    }

    /// More than a chunk, and not compressible.
    fn noise(bytes: usize) -> Vec<u8> {
        (0..bytes.div_ceil(32)).flat_map(|_| nonce::random::<32>()).take(bytes).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        for bytes in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let content = noise(bytes);
            let path = made(folder.path(), &key, &content);
            assert!(read_back(&path, &key).expect("opens") == content, "{bytes} bytes");
        }
    }

    #[test]
    fn a_file_that_was_cut_extended_or_mixed_does_not_open() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        let path = made(folder.path(), &key, &noise(3 * CHUNK));
        let whole = fs::read(&path).expect("a file");
        let header =
            8 + usize::try_from(u32::from_be_bytes(whole[4..8].try_into().expect("4"))).expect("fits");
        let chunk = 4 + CHUNK + TAG;
        let mut other = folder.path().join("other");
        fs::create_dir(&other).expect("a folder");
        other = made(&other, &key, &noise(3 * CHUNK));
        let other = fs::read(&other).expect("a file");
        let swapped = [
            &whole[..header],
            &whole[header + chunk..header + 2 * chunk],
            &whole[header..header + chunk],
            &whole[header + 2 * chunk..],
        ]
        .concat();
        let without_last = whole[..header + 2 * chunk].to_vec();
        let doubled = [&whole[..header + chunk], &whole[header..]].concat();
        let mixed = [&whole[..header + chunk], &other[header + chunk..]].concat();
        let foreign_header = [&other[..header], &whole[header..]].concat();
        let longer = [&whole[..], b"x"].concat();
        for bad in [swapped, without_last, doubled, mixed, foreign_header, longer] {
            fs::write(&path, &bad).expect("written");
            assert!(read_back(&path, &key).is_err());
        }
        fs::write(&path, &whole).expect("written");
        assert!(read_back(&path, &key).is_ok());
        assert!(read_back(&path, &super::tests::key()).is_err(), "another key");
    }

    proptest! {
        #[test]
        fn any_changed_byte_and_any_cut_is_noticed(at in 0_usize..2000, cut in any::<bool>(), flip in 1_u8..) {
            let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
            let path = made(folder.path(), &key, &noise(1500));
            let mut bytes = fs::read(&path).expect("a file");
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            fs::write(&path, &bytes).expect("written");
            prop_assert!(read_back(&path, &key).is_err());
        }
    }
}
