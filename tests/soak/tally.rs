//! Counts of requests and their outcomes, from clients and upstream.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Fault;

/// The most reasons that are kept; further ones are only counted.
const KEPT: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    asked: AtomicU64,
    /// Requests whose identifiers the upstream has compared with their mark.
    verified: AtomicU64,
    /// Deliberate faults with the expected outcome, by kind.
    faults: Mutex<BTreeMap<Fault, u64>>,
    endpoints: Mutex<BTreeMap<&'static str, u64>>,
    /// Requests with another caller's identifiers or another request's answer.
    wrong: Complaints,
    /// Requests with an unexpected outcome.
    failed: Complaints,
    /// Log lines with a secret.
    leaked: Complaints,
}

#[derive(Debug, Default)]
struct Complaints {
    count: AtomicU64,
    kept: Mutex<Vec<String>>,
}

impl Complaints {
    fn add(&self, why: String) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut kept = self.kept.lock().unwrap();
        if kept.len() < KEPT {
            kept.push(why);
        }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Tally {
    pub(crate) fn asks(&self, endpoint: &'static str) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        *self.endpoints.lock().unwrap().entry(endpoint).or_default() += 1;
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn verified(&self) {
        self.verified.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fault(&self, fault: Fault) {
        *self.faults.lock().unwrap().entry(fault).or_default() += 1;
    }

    pub(crate) fn wrong(&self, why: String) {
        self.wrong.add(why);
    }

    pub(crate) fn failed(&self, why: String) {
        self.failed.add(why);
    }

    pub(crate) fn leaked(&self, why: String) {
        self.leaked.add(why);
    }

    /// Resets the counts of the priming run and keeps the complaints.
    pub(crate) fn reset(&self) {
        self.asked.store(0, Ordering::Relaxed);
        self.verified.store(0, Ordering::Relaxed);
        self.faults.lock().unwrap().clear();
        self.endpoints.lock().unwrap().clear();
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        let lists = [("wrong", &self.wrong), ("failed", &self.failed), ("leaked", &self.leaked)];
        let all = lists.into_iter().flat_map(|(kind, list)| {
            let kept = list.kept.lock().unwrap();
            kept.iter().map(|why| format!("{kind}: {why}")).collect::<Vec<_>>()
        });
        let mut all: Vec<_> = all.collect();
        let faults = self.faults.lock().unwrap();
        let missing = Fault::ALL.iter().filter(|fault| !faults.contains_key(fault));
        all.extend(missing.map(|fault| format!("no {fault:?} has happened; soak for longer")));
        if self.verified.load(Ordering::Relaxed) == 0 {
            all.push("nothing was verified".to_owned());
        }
        all
    }

    pub(crate) fn report(&self) -> String {
        let endpoints: Vec<_> =
            self.endpoints.lock().unwrap().iter().map(|(name, count)| format!("{name} {count}")).collect();
        let faults: Vec<_> =
            self.faults.lock().unwrap().iter().map(|(fault, count)| format!("{fault:?} {count}")).collect();
        format!("requests soaked: {self}\nendpoints: {}\nfaults injected: {}", endpoints.join(", "), faults.join(", "))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.lock().unwrap().values().sum();
        let verified = self.verified.load(Ordering::Relaxed);
        let (wrong, failed, leaked) = (self.wrong.count(), self.failed.count(), self.leaked.count());
        let asked = self.asked();
        write!(
            f,
            "{asked} requests, {verified} verified upstream, {faults} faults, wrong = {wrong}, failed = {failed}, leaked = {leaked}"
        )
    }
}
