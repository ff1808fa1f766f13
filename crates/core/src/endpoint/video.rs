//! The paths of video jobs (`docs/SPEC.md#videos`).

use std::borrow::Cow;

/// The endpoint that creates jobs.
pub const CREATE: &str = "videos";
/// Maximum length of a job's id in bytes.
const LONGEST_ID: usize = 128;

/// The path of one job: its state, or its finished video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPath {
    id: String,
    is_content: bool,
}

/// Returns true if `id` matches `[A-Za-z0-9_-]{1,128}`.
pub fn is_job_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_plain)
}

impl VideoPath {
    /// Finds the path in the decoded segments after the base path.
    pub(super) fn find(segments: &[Cow<'_, str>]) -> Option<Self> {
        let (id, is_content) = match segments {
            [first, id] if first == CREATE => (id, false),
            [first, id, last] if first == CREATE && last == "content" => (id, true),
            _ => return None,
        };
        is_job_id(id).then(|| Self { id: id.clone().into_owned(), is_content })
    }

    /// Returns the job's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns true for the finished video, false for the job's state.
    pub fn is_content(&self) -> bool {
        self.is_content
    }

    /// Returns the name in metrics and logs.
    pub fn name(&self) -> &'static str {
        if self.is_content { "videos/{id}/content" } else { "videos/{id}" }
    }

    /// Returns the path to request upstream, after the base path.
    pub fn path(&self) -> String {
        self.name().replace("{id}", &self.id)
    }
}
