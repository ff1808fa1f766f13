//! Resolves the preset of a key: to plain headers, or to the tokens of one issuer.

use std::collections::BTreeMap;

use strsim::damerau_levenshtein;

use callsign_core::auth::issuer::preset::IssuerPreset;
use callsign_core::auth::key::Grant;
use callsign_core::auth::preset::Preset;
use callsign_core::auth::settings::TokenIssuer;

/// The operator's presets and issuers. `None` if they had problems, which are already reported.
#[derive(Clone, Copy)]
pub(super) struct Grants<'a> {
    pub(super) own: Option<&'a BTreeMap<String, Preset>>,
    pub(super) issuers: Option<&'a [TokenIssuer]>,
}

/// A problem with a key's preset, and the field it concerns.
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
    /// Returns the grant of a preset. `issuer` chooses between several issuers with that preset.
    pub(super) fn find(self, name: &str, issuer: Option<&str>) -> Result<Grant, BadGrant> {
        let plain = Preset::built_in(name).or_else(|| self.own?.get(name).cloned());
        match (plain, IssuerPreset::find(name), issuer) {
            (Some(_), _, Some(_)) => {
                let message = "applies only to the preset of a token issuer; remove it".to_owned();
                Err(BadGrant { field: "issuer", message })
            }
            (Some(preset), _, None) => Ok(Grant::Preset(preset)),
            (None, Some(preset), issuer) => self.signed(preset, issuer),
            (None, None, _) => {
                let mut names: Vec<&str> = Preset::names().chain(IssuerPreset::names()).collect();
                names.extend(self.own.into_iter().flat_map(|own| own.keys().map(String::as_str)));
                let nearest = names.iter().min_by_key(|known| damerau_levenshtein(name, known)).copied();
                let (nearest, names) = (nearest.unwrap_or_default(), names.join(", "));
                Err(format!("is not a preset; the nearest one is {nearest}, and there are {names}").into())
            }
        }
    }

    fn signed(self, preset: &'static IssuerPreset, named: Option<&str>) -> Result<Grant, BadGrant> {
        // The issuers have problems, so the configuration is refused anyway and this grant is not used.
        let Some(issuers) = self.issuers else { return Ok(Grant::Signed(0)) };
        let of_preset: Vec<_> = issuers.iter().enumerate().filter(|(_, issuer)| issuer.preset == preset).collect();
        let all = || of_preset.iter().map(|(_, issuer)| issuer.rules.name.as_str()).collect::<Vec<_>>().join(", ");
        let name = preset.name;
        let (id, issuer) = match (of_preset.as_slice(), named) {
            ([], _) => {
                let message = format!(
                    "is the preset of a token issuer, but no issuer has it; add [[issuers]] with preset = \"{name}\", \
                     or set CALLSIGN_ISSUER_PRESET={name}"
                );
                return Err(message.into());
            }
            (several, Some(named)) => {
                several.iter().find(|(_, issuer)| issuer.rules.name == named).ok_or_else(|| {
                    let message = format!("is not an issuer with the preset {name}; there are {}", all());
                    BadGrant { field: "issuer", message }
                })?
            }
            ([one], None) => one,
            (_, None) => {
                let message = format!("is the preset of several issuers; set issuer to one of {}", all());
                return Err(message.into());
            }
        };
        if issuer.is_credential() {
            let message = "belongs to an issuer whose tokens arrive in Authorization and need no key; remove this key, \
                           or set another header for the issuer";
            return Err(message.to_owned().into());
        }
        Ok(Grant::Signed(*id))
    }
}
