//! Redis with copies of its data.

use std::path::{Path, PathBuf};

use crate::copy;
use crate::server::Redis;

pub(crate) struct RedisWithCopies {
    server: Redis,
    runs: bool,
    copies: tempfile::TempDir,
}

impl RedisWithCopies {
    pub(crate) fn start() -> Self {
        Self { server: Redis::start(), runs: true, copies: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    pub(crate) fn kill(&mut self) {
        self.server.kill();
        self.runs = false;
    }

    pub(crate) fn restart(&mut self) {
        if !self.runs {
            self.server.restart();
            self.runs = true;
        }
    }

    /// Takes a copy of the data.
    pub(crate) fn save(&mut self) {
        self.kill();
        if self.data().exists() {
            copy::replace(&self.data(), &self.copy());
        }
        self.restart();
    }

    /// Starts Redis with the latest copy of its data, or without data.
    pub(crate) fn restore(&mut self) {
        if !self.copy().exists() {
            return self.empty();
        }
        self.kill();
        copy::replace(&self.copy(), &self.data());
        self.restart();
    }

    /// Starts Redis without its data.
    pub(crate) fn empty(&mut self) {
        self.kill();
        let _absent = std::fs::remove_dir_all(self.data());
        self.restart();
    }

    fn data(&self) -> PathBuf {
        Path::new(self.server.url().strip_prefix("unix://").unwrap()).with_file_name("appendonlydir")
    }

    fn copy(&self) -> PathBuf {
        self.copies.path().join("copy")
    }
}
