//! What the preset of a key leads to: plain headers, or the tokens of one issuer.

use std::collections::BTreeMap;

use super::issuer::TokenIssuer;
use crate::caller::issuer::preset::IssuerPreset;
use crate::caller::key::Grant;
use crate::caller::preset::Preset;

/// Everything that a preset's name may lead to. What could not be read has been reported and is `None`.
#[derive(Clone, Copy)]
pub(super) struct Grants<'a> {
    pub(super) own: Option<&'a BTreeMap<String, Preset>>,
    pub(super) issuers: Option<&'a [TokenIssuer]>,
}

/// What is wrong with a preset's name, and which field says so.
pub(super) struct BadGrant {
    pub(super) field: &'static str,
    pub(super) message: String,
}

impl From<String> for BadGrant {
    fn from(message: String) -> Self {
        Self { field: "preset", message }
    }
}

impl Grants<'_> {
    /// What the preset of this name allows. `issuer` tells several issuers with that preset apart.
    pub(super) fn find(self, name: &str, issuer: Option<&str>) -> Result<Grant, BadGrant> {
        let plain = Preset::built_in(name).or_else(|| self.own?.get(name).cloned());
        match (plain, IssuerPreset::find(name), issuer) {
            (Some(_), _, Some(_)) => {
                let message = "is for signed presets; the headers of this one are signed by nobody".to_owned();
                Err(BadGrant { field: "issuer", message })
            }
            (Some(preset), _, None) => Ok(Grant::Preset(preset)),
            (None, Some(preset), issuer) => self.signed(preset, issuer),
            (None, None, _) => {
                let mut names: Vec<&str> = Preset::BUILT_IN.into_iter().chain(IssuerPreset::names()).collect();
                names.extend(self.own.into_iter().flat_map(|own| own.keys().map(String::as_str)));
                Err(format!("names no preset; there are {}", names.join(", ")).into())
            }
        }
    }

    fn signed(self, preset: &'static IssuerPreset, named: Option<&str>) -> Result<Grant, BadGrant> {
        // Nothing can be said about issuers that could not be read; nor will anybody use this grant.
        let Some(issuers) = self.issuers else { return Ok(Grant::Signed(0)) };
        let of_preset: Vec<_> = issuers.iter().enumerate().filter(|(_, issuer)| issuer.preset == preset).collect();
        let names = || of_preset.iter().map(|(_, issuer)| issuer.rules.name.as_str()).collect::<Vec<_>>().join(", ");
        let name = preset.name;
        let (id, issuer) = match (of_preset.as_slice(), named) {
            ([], _) => {
                let message = format!(
                    "names a signed preset that no issuer has; add [[issuers]] with preset = \"{name}\", or set \
                     CALLSIGN_ISSUER_PRESET={name}"
                );
                return Err(message.into());
            }
            (all, Some(named)) => all.iter().find(|(_, issuer)| issuer.rules.name == named).ok_or_else(|| {
                let message = format!("names no issuer with the preset {name}; there are {}", names());
                BadGrant { field: "issuer", message }
            })?,
            ([one], None) => one,
            (_, None) => {
                let message = format!("is the preset of several issuers; add issuer with one of {}", names());
                return Err(message.into());
            }
        };
        if issuer.is_credential() {
            let message = "names an issuer whose tokens arrive in Authorization, where they need no key; remove this \
                           key, or give the issuer a header of its own";
            return Err(message.to_owned().into());
        }
        Ok(Grant::Signed(*id))
    }
}
