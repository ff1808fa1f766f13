//! The spill file, which receives rows while the database is unavailable. Each line is a checksum and a row as JSON,
//! so torn or damaged lines are detected. Processes with the same data directory share the file; a lock file
//! serialises access.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::row::Row;

/// Maximum wait for the lock.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// Maximum length of a line in bytes. Longer lines are damaged.
const LONGEST: u64 = 1 << 20;

/// The spill file of a data directory.
#[derive(Clone, Debug)]
pub(super) struct Spill {
    path: PathBuf,
    lock: PathBuf,
    /// True if appends are synced to disk.
    durable: bool,
}

/// A read position. After the file was rewritten, an old position means its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    file: u64,
    offset: u64,
}

/// The lines after a position.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The rows of valid lines.
    pub(super) rows: Vec<Row>,
    /// Number of damaged lines.
    pub(super) damaged: u64,
    /// Position of the next part.
    pub(super) next: Mark,
    /// True if there is a next part.
    pub(super) more: bool,
}

impl Spill {
    /// Returns the spill file of this directory. It need not exist.
    pub(super) fn new(directory: &Path, durable: bool) -> Self {
        Self { path: directory.join("ledger-spill.jsonl"), lock: directory.join("ledger-spill.lock"), durable }
    }

    /// Appends rows. After an error some of them may be in the file.
    pub(super) fn append(&self, rows: &[Row]) -> io::Result<()> {
        let _lock = self.lock()?;
        let mut text = String::with_capacity(rows.len() * 512);
        for row in rows {
            text.push_str(&line(row));
        }
        let mut file = private().append(true).create(true).open(&self.path)?;
        let end = file.seek(SeekFrom::End(0))?;
        if let Err(error) = end_line(&mut file, &self.path, end).and_then(|()| file.write_all(text.as_bytes())) {
            // A full disk may have written a part of a line, which must not be joined with the next one.
            let _best_effort = file.set_len(end);
            return Err(error);
        }
        if self.durable { file.sync_data() } else { Ok(()) }
    }

    /// Returns true if the file is empty or does not exist.
    pub(super) fn is_empty(&self) -> bool {
        std::fs::metadata(&self.path).map_or(true, |file| file.len() == 0)
    }

    /// Reads up to `most` lines after a position.
    pub(super) fn read(&self, from: Mark, most: usize) -> io::Result<Part> {
        let _lock = self.lock()?;
        self.read_locked(from, most)
    }

    fn read_locked(&self, from: Mark, most: usize) -> io::Result<Part> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Part::default()),
            Err(error) => return Err(error),
        };
        let number = file.metadata()?.ino();
        let offset = if from.file == number { from.offset } else { 0 };
        file.seek(SeekFrom::Start(offset))?;
        let mut part = Part { next: Mark { file: number, offset }, ..Part::default() };
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        for _ in 0..most {
            line.clear();
            let read = io::Read::take(&mut reader, LONGEST).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(part);
            }
            part.next.offset += read as u64;
            match parse(&line) {
                Some(row) => part.rows.push(row),
                None => part.damaged += 1,
            }
        }
        part.more = true;
        Ok(part)
    }

    /// Empties the file if everything was read up to this position. Returns true if so.
    pub(super) fn clear(&self, read: Mark) -> io::Result<bool> {
        let _lock = self.lock()?;
        let file = match OpenOptions::new().write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if metadata.ino() != read.file || metadata.len() > read.offset {
            return Ok(false);
        }
        file.set_len(0)?;
        Ok(true)
    }

    /// Passes every row through `change`, which returns true if it changed the row, and rewrites the file. The old
    /// bytes are overwritten. Damaged lines are dropped.
    pub(super) fn rewrite(&self, mut change: impl FnMut(&mut Row) -> bool) -> io::Result<u64> {
        let _lock = self.lock()?;
        let (mut changed, mut from, mut text) = (0, Mark::default(), String::new());
        loop {
            let part = self.read_locked(from, 10_000)?;
            for mut row in part.rows {
                changed += u64::from(change(&mut row));
                text.push_str(&line(&row));
            }
            from = part.next;
            if !part.more {
                break;
            }
        }
        if changed > 0 {
            let fresh = self.path.with_extension("new");
            let mut file = private().write(true).create(true).truncate(true).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            let old = self.path.with_extension("old");
            std::fs::rename(&self.path, &old)?;
            std::fs::rename(&fresh, &self.path)?;
            overwrite(&old)?;
            std::fs::remove_file(&old)?;
        }
        Ok(changed)
    }

    #[expect(clippy::disallowed_methods, reason = "the writer's own thread, which does nothing else meanwhile")]
    fn lock(&self) -> io::Result<File> {
        let file = private().write(true).create(true).truncate(false).open(&self.lock)?;
        let until = Instant::now() + LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Returns options that create files for the owner only, because rows contain names.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Appends a line break if the last line is incomplete after a crash, so that it does not damage the next one.
fn end_line(file: &mut File, path: &Path, end: u64) -> io::Result<()> {
    let Some(last) = end.checked_sub(1) else { return Ok(()) };
    let mut reader = File::open(path)?;
    reader.seek(SeekFrom::Start(last))?;
    let mut byte = [0];
    io::Read::read_exact(&mut reader, &mut byte)?;
    if byte == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    while left > 0 {
        let zeros = vec![0; usize::try_from(left.min(1 << 16)).unwrap_or(1 << 16)];
        file.write_all(&zeros)?;
        left = left.saturating_sub(zeros.len() as u64);
    }
    file.sync_data()
}

fn parse(line: &[u8]) -> Option<Row> {
    let line = line.strip_suffix(b"\n")?;
    let (checksum, json) = line.split_at_checked(8)?;
    let json = json.strip_prefix(b" ")?;
    let checksum = u32::from_str_radix(std::str::from_utf8(checksum).ok()?, 16).ok()?;
    if checksum == crc32fast::hash(json) { Row::from_json(json) } else { None }
}

/// Formats a row's line: a checksum, a space, and the row as JSON.
fn line(row: &Row) -> String {
    let json = row.to_json();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{finished_row, row};

    fn spill() -> (tempfile::TempDir, Spill) {
        let directory = tempfile::tempdir().unwrap();
        let spill = Spill::new(directory.path(), true);
        (directory, spill)
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let (_directory, spill) = spill();
        assert!(spill.is_empty());
        let rows = [row(1), finished_row(2), finished_row(3)];
        spill.append(&rows[..2]).unwrap();
        spill.append(&rows[2..]).unwrap();
        let first = spill.read(Mark::default(), 2).unwrap();
        assert_eq!((&first.rows, first.more), (&rows[..2].to_vec(), true));
        let second = spill.read(first.next, 2).unwrap();
        assert_eq!((second.rows, second.damaged, second.more), (rows[2..].to_vec(), 0, false));
    }

    #[test]
    fn a_torn_or_damaged_line_costs_only_itself() {
        let (_directory, spill) = spill();
        spill.append(&[finished_row(1)]).unwrap();
        let whole = std::fs::read(&spill.path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&spill.path, &whole[..cut]).unwrap();
            spill.append(&[finished_row(2)]).unwrap();
            let part = spill.read(Mark::default(), 10).unwrap();
            // A line that lacks only its line break is valid, and the next append adds the break.
            let expected =
                if cut == whole.len() - 1 { vec![finished_row(1), finished_row(2)] } else { vec![finished_row(2)] };
            assert_eq!(part.rows, expected, "cut at {cut}");
        }
        let mut flipped = whole.clone();
        flipped[20] ^= 1;
        std::fs::write(&spill.path, &flipped).unwrap();
        assert_eq!(spill.read(Mark::default(), 10).unwrap().damaged, 1);
    }

    #[test]
    fn it_is_not_emptied_over_what_came_meanwhile() {
        let (_directory, spill) = spill();
        spill.append(&[finished_row(1)]).unwrap();
        let read = spill.read(Mark::default(), 10).unwrap();
        spill.append(&[finished_row(2)]).unwrap();
        assert!(!spill.clear(read.next).unwrap());
        let rest = spill.read(read.next, 10).unwrap();
        assert_eq!(rest.rows, [finished_row(2)]);
        assert!(spill.clear(rest.next).unwrap());
        assert!(spill.is_empty());
    }

    #[test]
    fn rewriting_takes_names_out_and_keeps_the_rest() {
        let (_directory, spill) = spill();
        spill.append(&[finished_row(1), finished_row(2)]).unwrap();
        let before = spill.read(Mark::default(), 1).unwrap();
        let second = finished_row(2).id;
        let changed = spill.rewrite(|row| {
            let mine = row.id == second;
            if mine {
                row.forget(true);
            }
            mine
        });
        assert_eq!(changed.unwrap(), 1);
        // A position in the old file means the beginning of the new one.
        let rows = spill.read(before.next, 10).unwrap().rows;
        assert_eq!(rows[0], finished_row(1));
        let names = &rows[1].context.names;
        assert_eq!((&names.user, &*names.key, &rows[1].ended), (&None, "", &finished_row(2).ended));
        assert_eq!((&names.tenant, &rows[1].generation), (&Some("acme".into()), &None));
    }

    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let (_directory, spill) = spill();
        spill.append(&[row(1)]).unwrap();
        assert_eq!(std::fs::metadata(&spill.path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
