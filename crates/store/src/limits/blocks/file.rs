//! The block list as a file in the data directory. It is replaced atomically under a lock, so readers see a whole
//! list. The server polls it for changes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Block;

/// The file of the block list.
#[derive(Clone, Debug)]
pub(super) struct BlockFile {
    directory: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    blocks: Vec<Block>,
}

/// Metadata that changes whenever the file is replaced.
pub(super) type Print = Option<(u64, i64, i64, u64)>;

impl BlockFile {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("blocks.json")
    }

    /// Returns the file's metadata; `None` if it does not exist.
    pub(super) fn print(&self) -> Print {
        let seen = std::fs::metadata(self.path()).ok()?;
        Some((seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.size()))
    }

    /// Reads the list; empty if the file does not exist.
    pub(super) fn read(&self) -> io::Result<Vec<Block>> {
        match std::fs::read(self.path()) {
            Ok(text) => {
                let content: Content = serde_json::from_slice(&text).map_err(io::Error::other)?;
                Ok(content.blocks)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Changes the list and returns the result.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Vec<Block>) -> T) -> io::Result<(Vec<Block>, T)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let private = |name: &str, truncate: bool| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(truncate).mode(0o600).open(self.directory.join(name))
        };
        let lock: File = private("blocks.lock", false)?;
        lock.lock()?;
        let mut blocks = self.read()?;
        let changed = change(&mut blocks);
        let content = Content { blocks };
        let mut file = private("blocks.new", true)?;
        file.write_all(&serde_json::to_vec_pretty(&content).map_err(io::Error::other)?)?;
        file.sync_data()?;
        std::fs::rename(self.directory.join("blocks.new"), self.path())?;
        Ok((content.blocks, changed))
    }
}
