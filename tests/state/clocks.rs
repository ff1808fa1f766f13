//! Wrong clocks: libfaketime moves the wall clock of a node and of its commands. The monotonic clock stays.

use std::path::PathBuf;

use crate::cluster::NODES;

/// Offsets of the nodes' clocks. The first clock is right.
const OFFSETS: [Option<&str>; NODES] = [None, Some("-7m"), Some("+11m")];

/// Returns the variables that set a node's clock.
pub(crate) fn variables(node: usize) -> Vec<(String, String)> {
    let Some(offset) = OFFSETS[node] else { return Vec::new() };
    let library = library().to_str().unwrap().to_owned();
    [
        ("LD_PRELOAD", library),
        ("FAKETIME", offset.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        // Times of files stay those of the kernel.
        ("NO_FAKE_STAT", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Debian's multiarch directory is in between.
fn library() -> PathBuf {
    let directories = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut files = directories.map(|directory| directory.join("faketime/libfaketime.so.1"));
    files.find(|file| file.exists()).unwrap_or_else(|| panic!("no libfaketime (Debian: apt-get install faketime)"))
}

/// Removes the shared memory that libfaketime leaves when its process is killed.
pub(crate) fn clean(process: u32) {
    for name in ["faketime_shm_", "sem.faketime_sem_"] {
        let _absent = std::fs::remove_file(format!("/dev/shm/{name}{process}"));
    }
}
