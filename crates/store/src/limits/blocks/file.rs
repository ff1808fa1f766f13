//! The list in a file of the data directory. It is replaced whole, under a lock, so that nobody ever reads half of it; the
//! server looks whether it is another one than before.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Block;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct BlockFile {
    directory: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    blocks: Vec<Block>,
}

/// By which one file is told from the next.
pub(super) type Print = Option<(u64, i64, i64, u64)>;

impl BlockFile {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("blocks.json")
    }

    /// What the file looks like from outside; `None` where there is none.
    pub(super) fn print(&self) -> Print {
        let seen = std::fs::metadata(self.path()).ok()?;
        Some((seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.size()))
    }

    /// The list; empty where there is no file.
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

    /// Changes the list; what it is afterwards.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Vec<Block>) -> T) -> io::Result<(Vec<Block>, T)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let private = |name: &str, anew: bool| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(anew).mode(0o600).open(self.directory.join(name))
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
