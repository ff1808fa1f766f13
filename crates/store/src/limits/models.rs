//! The models that callers may ask for (docs/SPEC.md#allowed-models).

use std::sync::Arc;

use callsign_core::rewrite::outer::OuterMembers;

/// A list of allowed models. An entry that ends in `*` allows all models that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedModels {
    /// The setting that has the list.
    setting: &'static str,
    names: Arc<[String]>,
}

/// A model that the caller may not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this request names a model that you may not use, or none; ask for one of the allowed models, which the operator sets \
     in {setting}"
)]
pub struct ModelNotAllowedError {
    setting: &'static str,
}

impl AllowedModels {
    /// Creates the list of a setting.
    pub fn new(setting: &'static str, names: impl IntoIterator<Item = String>) -> Self {
        Self { setting, names: names.into_iter().collect() }
    }

    fn allows(&self, model: &str) -> bool {
        self.names.iter().any(|name| match name.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => model == name,
        })
    }

    /// Checks all models that may answer a request. A request without a model is refused, because it gets OpenRouter's
    /// default.
    ///
    /// # Errors
    /// [`ModelNotAllowedError`].
    pub fn check(&self, outer: &OuterMembers) -> Result<(), ModelNotAllowedError> {
        let mut models = outer.models().peekable();
        let allowed = models.peek().is_some() && !outer.has_unknown_models() && models.all(|model| self.allows(model));
        if allowed { Ok(()) } else { Err(ModelNotAllowedError { setting: self.setting }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole_or_by_their_beginning() {
        let allowed = AllowedModels::new("limits.models", ["a/b".to_owned(), "free/*".to_owned()]);
        for (model, is_allowed) in
            [("a/b", true), ("a/b:free", false), ("A/b", false), ("free/x", true), ("free", false), ("", false)]
        {
            assert_eq!(allowed.allows(model), is_allowed, "{model}");
        }
        assert!(allowed.check(&OuterMembers::default()).is_err(), "no model");
        assert!(!AllowedModels::new("limits.models", []).allows("a/b"));
    }
}
