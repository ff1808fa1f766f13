//! The parts of a record that only requests about video jobs have (`docs/SPEC.md#videos`).

use bytes::Bytes;
use callsign_core::endpoint::{INFERENCE, Inference};
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::reader::ResponseUsage;

use super::RequestRecord;

impl RequestRecord {
    /// Returns true if a successful answer is a new job.
    pub fn creates_job(&self) -> bool {
        self.inference.is_some_and(Inference::creates_jobs)
    }

    /// Records a read of this job's state, which tells the job's cost once it is finished.
    pub fn reads_job(&mut self, id: &str) {
        self.job = Some(id.to_owned());
        if let Some(endpoint) = INFERENCE.iter().find(|endpoint| endpoint.creates_jobs()) {
            self.answer.read_as(endpoint);
        }
    }

    /// Records a whole answer that was read with [`Self::read_undelivered`] and now leaves. `archived` is the text for the
    /// archive.
    pub fn relayed_whole(&mut self, body: &Bytes, archived: &Bytes) {
        self.response_bytes += body.len() as u64;
        self.first_output = Some(self.began.elapsed());
        if let Some(recording) = &self.recording {
            recording.passed(archived);
        }
    }

    /// Ends the request that has created this job, and waits for its ledger row in every mode. Returns false if the row
    /// could not be written.
    pub async fn create_job(&mut self, id: &str) -> bool {
        self.answer.is_job(id);
        self.row.write_at_once();
        match self.finish() {
            Some(committed) => committed.await,
            None => false,
        }
    }

    /// Passes on the cost that a read of a job has shown. The read itself costs nothing.
    pub(super) fn take_job_cost(&mut self, answer: &mut ResponseUsage) {
        let Some(job) = self.job.take() else { return };
        let answer = std::mem::take(answer);
        // A job that is not finished has no cost yet.
        if self.status == 200 && answer.usage.total_cost().is_some_and(|cost| cost > NanoUsd::ZERO) {
            self.row.job_cost(job, answer.usage);
        }
    }
}
