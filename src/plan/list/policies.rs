//! The policies of a list, and which images they are for.
//!
//! Owns the keys of `policies` and `verify`, and that a list never looks as if it checked what it does not: a policy that no rule
//! uses, a rule that fits nothing, and a rule without a policy are refused. Never reads a file itself.

use std::collections::HashSet;
use std::sync::Arc;

use crate::oci::reference::ImageReference;
use crate::plan::list::keys::{find, known, list, map, several, text, word};
use crate::plan::list::pattern::Pattern;
use crate::plan::list::yaml::{Key, Node, Place, Problem};
use crate::policy::{Checked, Log, Matcher, Mode, Policy, PublicKey, Requirement, Signer, TrustedRoot};
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// The keys of a policy.
pub const POLICY_KEYS: [&str; 6] = ["key", "identity", "issuer", "log", "trusted-root", "predicate"];

/// The keys of a rule that says which images a policy is for.
pub const RULE_KEYS: [&str; 3] = ["images", "policy", "mode"];

/// The longest name of a policy.
const LONGEST_NAME: usize = 100;

/// What gives the text of a file that is named.
pub type Load<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// The policies of one list.
#[derive(Debug, Default)]
pub struct Policies {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    place: Place,
    images: Vec<Pattern>,
    policy: Option<Arc<Policy>>,
    mode: Mode,
}

impl Policies {
    /// Reads the values of `policies` and `verify`.
    pub fn read(
        policies: Option<(&Key, &Node)>,
        verify: Option<(&Key, &Node)>,
        load: &Load<'_>,
    ) -> Result<Self, Problem> {
        let mut named: Vec<(&Key, Arc<Policy>)> = Vec::new();
        if let Some((key, value)) = policies {
            for (name, value) in map(key, value)? {
                named.push((name, Arc::new(policy(name, value, load)?)));
            }
        }
        let mut used = HashSet::new();
        let mut rules = Vec::new();
        if let Some((key, value)) = verify {
            for item in list(key, value)? {
                rules.push(rule(key, item, &named, &mut used)?);
            }
        }
        if let Some((name, _)) = named.iter().find(|(name, _)| !used.contains(&*name.text)) {
            let name_text = quote(&name.text);
            let problem = format!(
                "no rule uses the policy `{name_text}`; say by `verify` which images it is for: `- {{ images: \"ghcr.io/octo/**\", \
                 policy: {name_text} }}`"
            );
            return Err(Problem::new(name.place, problem));
        }
        Ok(Self { rules })
    }

    /// What is wanted of an image: the first rule that fits counts.
    pub fn requirement(&self, source: &ImageReference) -> Option<Requirement> {
        let rule = self.rules.get(self.first(source)?)?;
        Some(Requirement { policy: rule.policy.clone(), mode: rule.mode, checked: Checked::NotKept })
    }

    /// The rules that check none of `sources`, each by where it begins and the first name that it is for: a letter too much, and
    /// nothing would be checked. One that is for whatever is left may be for nothing.
    pub fn idle<'a>(&self, sources: impl Iterator<Item = &'a ImageReference>) -> Vec<(Place, String)> {
        let used: HashSet<usize> = sources.filter_map(|source| self.first(source)).collect();
        let is_rest = |images: &Pattern| images.to_string().bytes().all(|letter| letter == b'*');
        let is_idle = |(number, rule): &(usize, &Rule)| {
            !used.contains(number) && rule.mode != Mode::Off && !rule.images.iter().any(is_rest)
        };
        let idle = self.rules.iter().enumerate().filter(is_idle);
        idle.filter_map(|(_, rule)| Some((rule.place, rule.images.first()?.to_string()))).collect()
    }

    fn first(&self, source: &ImageReference) -> Option<usize> {
        let name = match source {
            ImageReference::Registry(reference) => reference.name(),
            ImageReference::Layout(_) => source.to_string(),
        };
        // Another spelling of a host is no way around its rule.
        let plain = match name.split_once('/') {
            Some((host, rest)) => {
                let host = host.to_ascii_lowercase();
                format!("{}/{rest}", host.strip_suffix(":443").unwrap_or(&host))
            }
            None => name.clone(),
        };
        let fits = |images: &Pattern| images.matches(&name) || images.matches(&plain);
        self.rules.iter().position(|rule| rule.images.iter().any(fits))
    }
}

fn policy(name: &Key, value: &Node, load: &Load<'_>) -> Result<Policy, Problem> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if name.text.is_empty() || name.text.len() > LONGEST_NAME || !name.text.chars().all(is_letter) {
        let problem =
            format!("`{}` is no name of a policy; it has letters, digits, `.`, `_` and `-`", quote(&name.text));
        return Err(Problem::new(name.place, problem));
    }
    let members = map(name, value)?;
    for (key, _) in members {
        known(key, "a policy", &POLICY_KEYS)?;
    }
    let of = |key: &str| find(members, key);
    let signer = match (of("key"), of("identity"), of("issuer")) {
        (Some((key, value)), None, None) => Signer::Keys(keys(key, value, load)?),
        (None, Some((key, identity)), Some((issuer_key, issuer))) => {
            Signer::Identity { identity: matcher(key, identity)?, issuer: matcher(issuer_key, issuer)? }
        }
        (Some((key, _)), ..) => {
            return Err(Problem::new(
                key.place,
                "a policy has either `key`, or `identity` and `issuer`; leave one out",
            ));
        }
        (None, Some((key, _)), None) => {
            let problem = "an `identity` is worth what its `issuer` is; name it, for GitHub Actions \
                           `https://token.actions.githubusercontent.com`";
            return Err(Problem::new(key.place, problem));
        }
        (None, None, Some((key, _))) => {
            return Err(Problem::new(key.place, "whoever has this `issuer` could sign; name the `identity` too"));
        }
        (None, None, None) => {
            return Err(Problem::new(name.place, "a policy has a `key`, or an `identity` and its `issuer`"));
        }
    };
    let root = match of("trusted-root") {
        Some((key, value)) => {
            let file = text(key, value)?;
            let root = load(file).and_then(|text| TrustedRoot::parse(&text));
            let bad = |why: String| Problem::new(value.place, format!("`trusted-root`: `{}` {why}", quote(file)));
            Some(Arc::new(root.map_err(bad)?))
        }
        None => None,
    };
    Ok(Policy {
        name: Some(name.text.clone()),
        signer,
        log: of("log").map_or(Ok(Log::Require), |(key, value)| word(key, value))?,
        root,
        predicate: of("predicate").map(|(key, value)| Ok(text(key, value)?.to_owned())).transpose()?,
    })
}

fn keys(key: &Key, value: &Node, load: &Load<'_>) -> Result<Vec<PublicKey>, Problem> {
    let mut keys = Vec::new();
    for (place, given) in several(key, value)? {
        let read = PublicKey::given(given, load).map_err(|why| Problem::new(place, format!("`key`: {why}")))?;
        keys.extend(read);
    }
    Ok(keys)
}

fn matcher(key: &Key, value: &Node) -> Result<Matcher, Problem> {
    Matcher::parse(text(key, value)?).map_err(|why| Problem::new(value.place, format!("`{}` {why}", key.text)))
}

fn rule<'a>(
    key: &Key,
    item: &'a Node,
    named: &[(&Key, Arc<Policy>)],
    used: &mut HashSet<&'a str>,
) -> Result<Rule, Problem> {
    let members = map(key, item)?;
    for (key, _) in members {
        known(key, "a rule of `verify`", &RULE_KEYS)?;
    }
    let Some((images_key, images)) = find(members, "images") else {
        return Err(Problem::new(item.place, "this rule has no `images`; name those it is for, `ghcr.io/octo/**`"));
    };
    let images =
        several(images_key, images)?.into_iter().map(|(place, text)| pattern(place, text)).collect::<Result<_, _>>()?;
    let mode = find(members, "mode").map(|(key, value)| word(key, value)).transpose()?;
    let policy = match (find(members, "policy"), mode) {
        (Some((key, value)), _) => {
            let name = text(key, value)?;
            let found = named.iter().find(|(known, _)| &*known.text == name);
            let Some((_, policy)) = found else { return Err(unknown(value.place, name, named)) };
            used.insert(name);
            Some(Arc::clone(policy))
        }
        (None, Some(_)) => None,
        (None, None) => {
            let problem =
                "this rule names no `policy`; name one, or write `mode: require` to let none of these images in";
            return Err(Problem::new(item.place, problem));
        }
    };
    Ok(Rule { place: item.place, images, policy, mode: mode.unwrap_or(Mode::Require) })
}

fn unknown(place: Place, name: &str, named: &[(&Key, Arc<Policy>)]) -> Problem {
    let hint = match nearest(name, named.iter().map(|(known, _)| &*known.text)) {
        Some(known) => format!("; did you mean `{known}`?"),
        None if named.is_empty() => "; describe it under `policies`".to_owned(),
        None => {
            let all: Vec<&str> = named.iter().map(|(known, _)| &*known.text).collect();
            format!("; there are {}", all.join(", "))
        }
    };
    Problem::new(place, format!("there is no policy `{}`{hint}", quote(name)))
}

/// A pattern for names as this program writes them: `docker.io/library/alpine`. One that can fit none of them is refused: a rule
/// that fits nothing checks nothing.
fn pattern(place: Place, text: &str) -> Result<Pattern, Problem> {
    let bad = |why: String| Problem::new(place, why);
    if !text.starts_with('/') && !text.starts_with("oci:") {
        let (registry, rest) = text.split_once('/').unwrap_or((text, ""));
        if !registry.contains(['.', ':', '*', '?', '[']) && registry != "localhost" {
            let problem = format!(
                "`images` is `{}`, which begins with no registry: names are whole here, as `docker.io/library/alpine`",
                quote(text)
            );
            return Err(bad(problem));
        }
        if rest.contains([':', '@']) {
            let problem = format!(
                "`images` is `{}`, and a policy is for all tags of a repository; leave the tag out",
                quote(text)
            );
            return Err(bad(problem));
        }
    }
    Pattern::parse(text).map_err(|why| bad(format!("`images`: {why}")))
}

#[cfg(test)]
mod tests {
    use super::{Policies, Requirement};
    use crate::oci::reference::ImageReference;
    use crate::plan::list::schema::List;
    use crate::policy::Mode;

    fn mode(verify: &str, image: &str) -> Option<Mode> {
        let mut list = List::default();
        let text = format!("verify: [{verify}]\nimages: ['{image}']\n");
        list.read("a.yml", &text, &|_| Err(String::new())).unwrap();
        list.entries[0].settings.requirement.as_ref().map(|wanted| wanted.mode)
    }

    #[test]
    fn a_rule_is_for_whole_names_however_the_host_is_spelled() {
        let rules = "{ images: 'ghcr.io/octo/**', mode: require }, { images: '/docker\\.io/library/.*/', mode: warn }";
        for (image, wanted) in [
            ("ghcr.io/octo/app:1", Some(Mode::Require)),
            ("ghcr.io/octo/deep/app", Some(Mode::Require)),
            ("ghcr.io:443/octo/app:1", Some(Mode::Require)),
            ("GHCR.io/octo/app:1", Some(Mode::Require)),
            ("alpine", Some(Mode::Warn)),
            ("index.docker.io/library/alpine:3", Some(Mode::Warn)),
            ("ghcr.io/octo-evil/app", None),
            ("evil.example/ghcr.io/octo/app", None),
            ("oci:ghcr.io/octo/app", None),
        ] {
            assert_eq!(mode(rules, image), wanted, "{image}");
        }
        assert_eq!(mode("{ images: '**', mode: require }", "oci:dir:1"), Some(Mode::Require));
        let none = Policies::default().requirement(&ImageReference::parse("a").unwrap());
        assert_eq!(none, None::<Requirement>);
    }
}
