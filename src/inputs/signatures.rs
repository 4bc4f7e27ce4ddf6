//! The inputs that say what signature images must have.

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::inputs::config;
use crate::inputs::values::{Values, parsed};
use crate::policy::{Checked, Log, Matcher, Mode, Policy, PublicKey, Requirement, Signer, TrustedRoot};
use crate::text::quote::quote;

impl Values {
    /// What the inputs want of each image for which a list says nothing else.
    pub(super) fn requirement(&self, workspace: &str) -> Result<Option<Requirement>, Error> {
        // Looked at whatever the choice: a mistake in an input is one.
        let (mode, log): (Mode, Log) = (self.choice("verify-mode")?, self.choice("verify-log")?);
        let load = |file: &str| config::material(Path::new(workspace), file);
        let matcher = |name: &str, text| parsed(name, Matcher::parse(text));
        let signer = match (self.get("verify-key"), self.get("verify-identity"), self.get("verify-issuer")) {
            (None, None, None) => None,
            (Some(keys), None, None) => Some(Signer::Keys(parsed("verify-key", keys_of(keys, &load))?)),
            (None, Some(identity), Some(issuer)) => Some(Signer::Identity {
                identity: matcher("verify-identity", identity)?,
                issuer: matcher("verify-issuer", issuer)?,
            }),
            (None, Some(_), None) => {
                let problem = "is missing; an identity is worth what its issuer is, for GitHub Actions \
                               `https://token.actions.githubusercontent.com`";
                return Err(Error::input("verify-issuer", problem));
            }
            (None, None, Some(_)) => {
                let problem = "is missing; whoever has this issuer could sign, so name who must have";
                return Err(Error::input("verify-identity", problem));
            }
            (Some(_), ..) => {
                let problem = "is given beside `verify-identity` or `verify-issuer`; leave one out";
                return Err(Error::input("verify-key", problem));
            }
        };
        let root = match self.get("trusted-root") {
            Some(file) => {
                let root = load(file).and_then(|text| TrustedRoot::parse(&text));
                let named = root.map_err(|why| format!("`{}` {why}", quote(file)));
                Some(Arc::new(parsed("trusted-root", named)?))
            }
            None => None,
        };
        let Some(signer) = signer else {
            // A setting of a check that nobody makes would look as if one were made.
            let lonely = ["trusted-root", "verify-predicate"].into_iter().find(|name| self.get(name).is_some());
            // An expression that came out empty is seen at least where it is to be held less strictly.
            let lonely = lonely.or((mode == Mode::Warn).then_some("verify-mode"));
            return match lonely.or((log == Log::Ignore).then_some("verify-log")) {
                Some(name) => {
                    let problem = "is of a check by `verify-key` or `verify-identity`, and neither is given";
                    Err(Error::input(name, problem))
                }
                None => Ok(None),
            };
        };
        let predicate = self.get("verify-predicate").map(str::to_owned);
        let policy = Policy { name: None, signer, log, root, predicate };
        Ok(Some(Requirement { policy: Some(Arc::new(policy)), mode, checked: Checked::NotKept }))
    }
}

/// Files, one a line, or the keys themselves.
fn keys_of(text: &str, load: &dyn Fn(&str) -> Result<String, String>) -> Result<Vec<PublicKey>, String> {
    if text.contains("-----BEGIN ") {
        return PublicKey::parse(text);
    }
    let mut keys = Vec::new();
    for file in text.split(['\n', ',']).map(str::trim).filter(|file| !file.is_empty() && !file.starts_with('#')) {
        keys.extend(PublicKey::given(file, load)?);
    }
    if keys.is_empty() { Err("names no file".to_owned()) } else { Ok(keys) }
}
