//! One backup file, or another that is sealed like one: a header in clear, then the content in compressed and sealed
//! chunks.
//!
//! `HBK1 || header length (4 bytes, big endian) || header (JSON) || chunks`, a chunk being its length with the
//! highest bit set on the last one (which is empty), and the sealed bytes: a frame of zstd for each 512 KiB of content,
//! which is quicker to make than one frame for all. How chunks are kept in place: `hourbook_crypto::backup`.

use super::vault::{Vault, VaultReader, VaultWriter};
use anyhow::{Context, bail, ensure};
use hourbook_crypto::backup::{BackupKey, Opener, Sealer};
use hourbook_crypto::nonce;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use zstd::bulk::{Compressor, Decompressor};

const MAGIC: &[u8; 4] = b"HBK1";
/// Bytes of content in a chunk.
const CHUNK: usize = 512 * 1024;
/// Bytes that sealing adds.
const TAG: usize = 16;
/// Longest header that is read.
const LONGEST_HEADER: usize = 4096;
const LAST: u32 = 1 << 31;
/// Pieces that wait to be compressed at most.
const PIECES: usize = 4;
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
    /// Fresh randomness, hex.
    salt: String,
}

impl Header {
    /// For a file that is about to be written.
    pub fn new(of: Of, created_at: i64) -> Self {
        Self { of, created_at, salt: hex::encode(nonce::random::<32>()) }
    }
}

/// A file that is being written. A thread of its own compresses and seals, so that whoever reads a database goes on
/// meanwhile. Dropped without [`Writing::finish`], it never was.
pub struct Writing {
    piece: Vec<u8>,
    /// `None` ends the file.
    pieces: SyncSender<Option<Vec<u8>>>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

impl Writing {
    /// Begins a file. For blocking threads.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(vault: &Vault, name: &str, header: &Header, key: &BackupKey) -> anyhow::Result<Self> {
        let mut out = vault.writer(name)?;
        let header = serde_json::to_vec(header)?;
        out.write_all(MAGIC)?;
        out.write_all(&u32::try_from(header.len())?.to_be_bytes())?;
        out.write_all(&header)?;
        let chunks = Chunks { sealer: Sealer::new(key, &header), compressor: Compressor::new(LEVEL)?, out };
        let (pieces, received) = sync_channel(PIECES);
        let thread = std::thread::Builder::new().name("sealing".into());
        let thread = thread.spawn(move || chunks.seal(&received))?;
        Ok(Self { piece: Vec::with_capacity(CHUNK), pieces, thread })
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(CHUNK));
        self.pieces.send(Some(piece)).map_err(|_| io::Error::other("the file could not be written"))
    }

    /// Makes it a file; returns its bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        let handed = self.hand_on().and_then(|()| self.pieces.send(None).map_err(io::Error::other));
        // Where the thread has failed, its error says more.
        let bytes = self.thread.join().map_err(|_| anyhow::anyhow!("sealing a file panicked"))??;
        handed?;
        Ok(bytes)
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.piece.len());
        self.piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.piece.len() == CHUNK {
            self.hand_on()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the sealing thread works with.
struct Chunks<W: Write> {
    sealer: Sealer,
    compressor: Compressor<'static>,
    out: W,
}

impl Chunks<VaultWriter> {
    fn seal(mut self, pieces: &Receiver<Option<Vec<u8>>>) -> anyhow::Result<u64> {
        loop {
            match pieces.recv() {
                Ok(Some(piece)) => self.put(&piece, false)?,
                Ok(None) => {
                    self.put(&[], true)?;
                    return self.out.finish();
                }
                Err(_) => bail!("the file was given up"),
            }
        }
    }
}

impl<W: Write> Chunks<W> {
    fn put(&mut self, piece: &[u8], last: bool) -> anyhow::Result<()> {
        let sealed = self.sealer.seal(&self.compressor.compress(piece)?, last);
        let length = u32::try_from(sealed.len())?;
        self.out.write_all(&(length | if last { LAST } else { 0 }).to_be_bytes())?;
        Ok(self.out.write_all(&sealed)?)
    }
}

/// Reads the header of a file, which proves nothing yet.
///
/// # Errors
/// When it is none of ours.
pub fn header(vault: &Vault, name: &str) -> anyhow::Result<Header> {
    Ok(begin(vault.reader(name)?)?.0)
}

fn begin<R: Read>(source: R) -> anyhow::Result<(Header, Vec<u8>, BufReader<R>)> {
    let mut source = BufReader::new(source);
    let (mut magic, mut length) = ([0; 4], [0; 4]);
    source.read_exact(&mut magic).context("not a backup")?;
    ensure!(&magic == MAGIC, "not a backup of this kind");
    source.read_exact(&mut length).context("cut off in its header")?;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    ensure!(length <= LONGEST_HEADER, "not a backup: its header is too long");
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes).context("cut off in its header")?;
    let header = serde_json::from_slice(&bytes).context("a header of another kind")?;
    Ok((header, bytes, source))
}

/// Opens a file for reading: each byte is proved when it is read, that the file is whole only at its end.
///
/// # Errors
/// When it is none of ours, or the key is another.
pub fn open(
    vault: &Vault,
    name: &str,
    key: impl FnOnce(&Header) -> anyhow::Result<BackupKey>,
) -> anyhow::Result<(Header, Content)> {
    open_from(vault.reader(name)?, key)
}

/// The same from wherever it comes.
///
/// # Errors
/// See [`open`].
pub fn open_from<R: Read>(
    source: R,
    key: impl FnOnce(&Header) -> anyhow::Result<BackupKey>,
) -> anyhow::Result<(Header, Content<R>)> {
    let (header, bytes, source) = begin(source)?;
    let key = key(&header)?;
    let (opener, decompressor) = (Opener::new(&key, &bytes), Decompressor::new()?);
    Ok((header, Content { opener, decompressor, piece: Vec::new(), at: 0, last: false, source }))
}

/// Whatever was read has to be all there is.
///
/// # Errors
/// When it is not, or the file does not end as it was written.
pub fn ended<R: Read>(mut content: Content<R>) -> anyhow::Result<()> {
    ensure!(content.read(&mut [0])? == 0, "something follows the content");
    Ok(())
}

/// The content of a file, as it is read.
pub struct Content<R: Read = VaultReader> {
    opener: Opener,
    decompressor: Decompressor<'static>,
    piece: Vec<u8>,
    at: usize,
    last: bool,
    source: BufReader<R>,
}

impl<R: Read> Content<R> {
    fn next(&mut self) -> anyhow::Result<()> {
        let mut length = [0; 4];
        self.source.read_exact(&mut length).context("cut off between two chunks")?;
        let length = u32::from_be_bytes(length);
        let last = length & LAST != 0;
        let length = usize::try_from(length & !LAST)?;
        ensure!(length <= zstd::zstd_safe::compress_bound(CHUNK) + TAG, "a chunk that is too long");
        let mut sealed = vec![0; length];
        self.source.read_exact(&mut sealed).context("cut off within a chunk")?;
        let Ok(opened) = self.opener.open(&sealed, last) else {
            bail!("a chunk does not open: it was changed, or is not in its place, or the key is another");
        };
        self.piece = self.decompressor.decompress(&opened, CHUNK)?;
        (self.at, self.last) = (0, last);
        if last {
            ensure!(self.source.read(&mut [0])? == 0, "something follows the last chunk");
        }
        Ok(())
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if self.last {
                return Ok(0);
            }
            self.next().map_err(io::Error::other)?;
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(into.len());
        into[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::vault::Whereabouts;
    use super::*;
    use hourbook_crypto::datakey::DataKey;
    use hourbook_crypto::tenant::TenantCipher;
    use proptest::prelude::*;
    use std::fs;

    fn key() -> BackupKey {
        TenantCipher::new("t", &DataKey::generate(1)).backup_key().1.clone()
    }

    /// A folder as a vault, and the runtime that its reads and writes need.
    struct Place {
        folder: tempfile::TempDir,
        vault: Vault,
        _runtime: tokio::runtime::Runtime,
    }

    impl Place {
        fn new() -> Self {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("a runtime");
            let folder = tempfile::tempdir().expect("a folder");
            let _entered = runtime.enter();
            let vault = Vault::open(&Whereabouts::Folder(folder.path().to_owned())).expect("a vault");
            Self { folder, vault, _runtime: runtime }
        }

        fn made(&self, name: &str, key: &BackupKey, content: &[u8]) -> std::path::PathBuf {
            let header = Header::new(Of::Tenant { tenant: "t".into(), version: 1 }, 1);
            let mut file = Writing::create(&self.vault, name, &header, key).expect("begun");
            file.write_all(content).expect("written");
            file.finish().expect("finished");
            self.folder.path().join(name)
        }

        fn read_back(&self, name: &str, key: &BackupKey) -> anyhow::Result<Vec<u8>> {
            let (_, mut content) = open(&self.vault, name, |_| Ok(key.clone()))?;
            let mut out = Vec::new();
            content.read_to_end(&mut out)?;
            ended(content)?;
            Ok(out)
        }
    }

    /// More than a chunk, and not compressible.
    fn noise(bytes: usize) -> Vec<u8> {
        (0..bytes.div_ceil(32)).flat_map(|_| nonce::random::<32>()).take(bytes).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let (place, key) = (Place::new(), key());
        for bytes in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let content = noise(bytes);
            place.made("one", &key, &content);
            assert!(place.read_back("one", &key).expect("opens") == content, "{bytes} bytes");
        }
    }

    #[test]
    fn a_file_that_was_cut_extended_or_mixed_does_not_open() {
        let (place, key) = (Place::new(), key());
        let path = place.made("one", &key, &noise(3 * CHUNK));
        let whole = fs::read(&path).expect("a file");
        let header =
            8 + usize::try_from(u32::from_be_bytes(whole[4..8].try_into().expect("4"))).expect("fits");
        let chunk = 4 + CHUNK + TAG;
        let other = fs::read(place.made("other", &key, &noise(3 * CHUNK))).expect("a file");
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
            assert!(place.read_back("one", &key).is_err());
        }
        fs::write(&path, &whole).expect("written");
        assert!(place.read_back("one", &key).is_ok());
        assert!(place.read_back("one", &super::tests::key()).is_err(), "another key");
    }

    proptest! {
        #[test]
        fn any_changed_byte_and_any_cut_is_noticed(at in 0_usize..2000, cut in any::<bool>(), flip in 1_u8..) {
            let (place, key) = (Place::new(), key());
            let path = place.made("one", &key, &noise(1500));
            let mut bytes = fs::read(&path).expect("a file");
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            fs::write(&path, &bytes).expect("written");
            prop_assert!(place.read_back("one", &key).is_err());
        }
    }
}
