//! The file of counters in the data directory: one line per subject and change, the last one counts. Appended to once a
//! second, beside the requests; written anew when it has grown to several times what it holds. A torn line costs only
//! itself, and a crash the last second.
//!
//! Several callsigns may share a directory; each takes the first free place in it, so that a restart finds its own file.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::counters::Counters;
use super::memory::Memory;
use super::subject::Subject;

/// As many callsigns may share a directory.
const PLACES: u32 = 64;
/// A file below this is never written anew for its size.
const SMALL: u64 = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes in the file, and how many there were when it was written anew.
    size: u64,
    fresh: u64,
    /// Locked while the place is taken.
    _place: File,
}

impl Journal {
    /// Takes a place in the directory and gives `memory` what was counted there before.
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
            journal.write_anew(memory, now_ms)?;
            return Ok(journal);
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "too many callsigns share it"))
    }

    /// Writes down what has changed. After an error everything is written the next time.
    pub(super) fn write(&mut self, memory: &Memory, now_ms: i64) -> io::Result<()> {
        if self.size > SMALL.max(4 * self.fresh) {
            return self.write_anew(memory, now_ms);
        }
        let mut lines = String::new();
        memory.changes(|subject, counters| line(&mut lines, subject, counters));
        if lines.is_empty() {
            return Ok(());
        }
        // Taken before it is known to be written: a failure leads to the whole being written.
        self.size += lines.len() as u64;
        self.file.write_all(lines.as_bytes()).inspect_err(|_| self.size = u64::MAX)
    }

    /// Replaces the file by one that holds each subject once.
    fn write_anew(&mut self, memory: &Memory, now_ms: i64) -> io::Result<()> {
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
    // Plain data always has a text.
    if let Ok(counters) = serde_json::to_string(counters) {
        out.push_str(&subject.hex());
        out.push(' ');
        out.push_str(&counters);
        out.push('\n');
    }
}

/// What a file holds; nothing where there is none.
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

/// What the callsigns of this directory have written down of one subject, for who is not one of them.
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
    use callsign_core::allowance::{Ceilings, Estimate};
    use crate::limits::counters::Ask;

    const NOW: i64 = 1_767_225_600_000;
    const CEILINGS: Ceilings = Ceilings([Some(1_000_000), None, None, None, None, None]);

    fn count(memory: &Memory, user: &str, times: u64) {
        for id in 0..times {
            let estimate = Estimate { tokens: 0, usd: 0 };
            let ask = Ask { id, ceilings: CEILINGS, message: None, estimate, enforce: true };
            memory.reserve(Subject::user(None, user), &ask, NOW);
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
        // Torn by a crash.
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
