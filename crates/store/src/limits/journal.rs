//! The file of counters in the data directory: one line per subject and change, of which the last is valid. The worker
//! appends once a second, and rewrites the file when it has grown to several times its content. A torn line loses only
//! itself, and a crash loses the last second.
//!
//! Several processes may share a directory. Each locks the first free slot, so a restarted process finds its own file.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::counters::Counters;
use super::memory::Memory;
use super::subject::Subject;

/// Maximum number of processes that share a directory.
const PLACES: u32 = 64;
/// Minimum size in bytes of a file that is rewritten to shrink it.
const SMALL: u64 = 1 << 20;

/// The file of counters of one process.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes in the file now, and directly after it was last rewritten.
    size: u64,
    fresh: u64,
    /// The lock on the slot.
    _place: File,
}

impl Journal {
    /// Locks a slot in the directory and loads its counters into `memory`.
    pub(super) fn open(directory: &Path, memory: &Memory, now_ms: i64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        for place in 0..PLACES {
            let lock = private().truncate(false).open(directory.join(format!("limits-{place}.lock")))?;
            if lock.try_lock().is_err() {
                continue;
            }
            let path = file_of(directory, place);
            for (subject, counters) in read(&path)? {
                memory.adopt(subject, counters);
            }
            let file = private().append(true).truncate(false).open(&path)?;
            let mut journal = Self { path, file, size: 0, fresh: 0, _place: lock };
            journal.rewrite(memory, now_ms)?;
            return Ok(journal);
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "more than 64 processes share the data directory"))
    }

    /// Appends changed counters. After an error the next call rewrites the whole file.
    pub(super) fn write(&mut self, memory: &Memory, now_ms: i64) -> io::Result<()> {
        if self.size > SMALL.max(4 * self.fresh) {
            return self.rewrite(memory, now_ms);
        }
        let mut lines = String::new();
        memory.changes(|subject, counters| line(&mut lines, subject, counters));
        if lines.is_empty() {
            return Ok(());
        }
        // Updated before the write, because a failure leads to rewriting the whole file.
        self.size += lines.len() as u64;
        self.file.write_all(lines.as_bytes()).inspect_err(|_| self.size = u64::MAX)
    }

    /// Replaces the file with one that contains each subject once.
    fn rewrite(&mut self, memory: &Memory, now_ms: i64) -> io::Result<()> {
        let mut lines = String::new();
        memory.all(now_ms, |subject, counters| line(&mut lines, subject, counters));
        self.size = u64::MAX;
        let fresh = self.path.with_extension("new");
        let mut file = private().truncate(true).open(&fresh)?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&fresh, &self.path)?;
        (self.size, self.fresh) = (lines.len() as u64, lines.len() as u64);
        self.file = file;
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

fn file_of(directory: &Path, place: u32) -> PathBuf {
    directory.join(format!("limits-{place}.jsonl"))
}

fn line(out: &mut String, subject: Subject, counters: &Counters) {
    // Cannot fail: the counters are plain data.
    if let Ok(counters) = serde_json::to_string(counters) {
        out.push_str(&subject.hex());
        out.push(' ');
        out.push_str(&counters);
        out.push('\n');
    }
}

/// Reads a file of counters. Empty if it does not exist.
fn read(path: &Path) -> io::Result<HashMap<Subject, Counters>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let mut found = HashMap::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        let parsed = std::str::from_utf8(&line).ok().and_then(|line| {
            let (subject, counters) = line.split_once(' ')?;
            Some((Subject::from_hex(subject)?, serde_json::from_str(counters).ok()?))
        });
        found.extend(parsed);
    }
    Ok(found)
}

/// Reads one subject's counters of all processes of this directory, for the command line.
pub(super) fn look(directory: &Path, subject: Subject) -> io::Result<Vec<Counters>> {
    let mut all = Vec::new();
    for place in 0..PLACES {
        all.extend(read(&file_of(directory, place))?.remove(&subject));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Ask;
    use callsign_core::allowance::{Ceilings, Estimate};

    const NOW: i64 = 1_767_225_600_000;
    const CEILINGS: Ceilings = Ceilings([Some(1_000_000), None, None, None, None, None]);

    fn count(memory: &Memory, user: &str, times: u64) {
        for id in 0..times {
            let estimate = Estimate { tokens: 0, usd: 0 };
            let ask = Ask { id, ceilings: CEILINGS, message: None, estimate, enforce: true };
            memory.reserve(&[(Subject::user(None, user), ask)], NOW);
        }
    }

    fn used(memory: &Memory, user: &str) -> i64 {
        memory.look(Subject::user(None, user), CEILINGS, NOW)[0].used
    }

    #[test]
    fn what_was_counted_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::default();
        let mut journal = Journal::open(directory.path(), &memory, NOW).unwrap();
        count(&memory, "ada", 3);
        journal.write(&memory, NOW).unwrap();
        count(&memory, "ada", 2);
        count(&memory, "bob", 1);
        journal.write(&memory, NOW).unwrap();
        assert_eq!(look(directory.path(), Subject::user(None, "ada")).unwrap().len(), 1);
        drop(journal);
        // A torn line after a crash.
        let path = file_of(directory.path(), 0);
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"00ff {\"r\":[[17");
        std::fs::write(&path, text).unwrap();
        let again = Memory::default();
        let _journal = Journal::open(directory.path(), &again, NOW).unwrap();
        assert_eq!((used(&again, "ada"), used(&again, "bob"), used(&again, "eve")), (5, 1, 0));
    }

    #[test]
    fn a_second_callsign_has_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (Memory::default(), Memory::default());
        let mut one = Journal::open(directory.path(), &first, NOW).unwrap();
        let mut two = Journal::open(directory.path(), &second, NOW).unwrap();
        count(&first, "ada", 1);
        count(&second, "ada", 2);
        one.write(&first, NOW).unwrap();
        two.write(&second, NOW).unwrap();
        assert_eq!(look(directory.path(), Subject::user(None, "ada")).unwrap().len(), 2);
    }

    #[test]
    fn the_file_does_not_grow_with_every_change() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::default();
        let mut journal = Journal::open(directory.path(), &memory, NOW).unwrap();
        for _ in 0..200 {
            count(&memory, "ada", 10);
            journal.write(&memory, NOW).unwrap();
        }
        assert!(std::fs::metadata(file_of(directory.path(), 0)).unwrap().len() < 3 * SMALL);
        assert_eq!(used(&memory, "ada"), 2000);
    }
}
