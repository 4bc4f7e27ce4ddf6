//! The policies of a list, and which images they are for.
//!
//! Owns the keys of `policies` and `verify`, of the list and of one image, and that a list never looks as if it checked what it does not: a policy that no rule
//! uses, a rule that fits nothing, and a rule without a policy are refused. Never reads a file itself.

use std::collections::HashSet;
use std::sync::Arc;

use crate::oci::reference::{ImageReference, Reference};
use crate::plan::list::keys::{Members, find, known, list, map, several, text, word};
use crate::plan::list::pattern::Pattern;
use crate::plan::list::yaml::{Key, Node, Place, Problem, Value};
use crate::policy::{Checked, Log, Matcher, Mode, Policy, PublicKey, Requirement, Signer, TrustedRoot};
use crate::text::choice::Choice as _;
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// The keys of a policy.
pub const POLICY_KEYS: [&str; 6] = ["key", "identity", "issuer", "log", "trusted-root", "predicate"];

/// The keys of a rule that says which images a policy is for.
pub const RULE_KEYS: [&str; 3] = ["images", "policy", "mode"];

/// The keys of an image's own `verify`, beside those of a policy that is described there.
pub const OWN_KEYS: [&str; 2] = ["policy", "mode"];

/// The longest name of a policy.
const LONGEST_NAME: usize = 100;

/// What gives the text of a file that is named.
pub type Load<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// The policies of one list.
#[derive(Debug, Default)]
pub struct Policies {
    rules: Vec<Rule>,
    named: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    name: String,
    place: Place,
    policy: Arc<Policy>,
    is_used: bool,
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
        let mut all = Self::default();
        if let Some((key, value)) = policies {
            for (name, value) in map(key, value)? {
                let policy = Arc::new(policy(name, value, load)?);
                all.named.push(Named { name: name.text.clone(), place: name.place, policy, is_used: false });
            }
        }
        if let Some((key, value)) = verify {
            for item in list(key, value)? {
                let rule = all.rule(key, item)?;
                all.rules.push(rule);
            }
        }
        Ok(all)
    }

    /// Refuses a policy that is for no image, once all images were read.
    pub fn refuse_unused(&self) -> Result<(), Problem> {
        let Some(Named { name, place, .. }) = self.named.iter().find(|named| !named.is_used) else { return Ok(()) };
        let name = quote(name);
        let problem = format!(
            "no rule uses the policy `{name}`; say by `verify` which images it is for: `- {{ images: \"ghcr.io/octo/**\", \
             policy: {name} }}`"
        );
        Err(Problem::new(*place, problem))
    }

    /// What an image says itself by its own `verify`: a policy's name, `off`, or a map; it comes before all rules.
    pub fn own(
        &mut self,
        (key, value): (&Key, &Node),
        source: &ImageReference,
        load: &Load<'_>,
    ) -> Result<Requirement, Problem> {
        let Value::Map(members) = &value.value else {
            let name = text(key, value)?;
            let is_off = name == Mode::Off.word() && self.named.iter().all(|named| named.name != name);
            let policy = if is_off { None } else { Some(self.take(value.place, name)?) };
            let mode = if is_off { Mode::Off } else { Mode::Require };
            return Ok(Requirement { policy, mode, checked: Checked::NotKept });
        };
        let all = [&OWN_KEYS[..], &POLICY_KEYS].concat();
        for (key, _) in members {
            known(key, "`verify` of an image", &all)?;
        }
        let mode = find(members, "mode").map(|(key, value)| word(key, value)).transpose()?;
        let described = members.iter().find(|(key, _)| POLICY_KEYS.contains(&&*key.text));
        let policy = match (find(members, "policy"), described) {
            (Some(_), Some((other, _))) => {
                let problem = format!("`policy` names a policy, and `{}` describes another; leave one out", other.text);
                return Err(Problem::new(other.place, problem));
            }
            (Some((key, value)), None) => Some(self.take(value.place, text(key, value)?)?),
            (None, Some(_)) => Some(Arc::new(described_by(&name_of(source), value.place, members, load)?)),
            (None, None) if mode.is_some() => None,
            (None, None) => {
                let problem =
                    "`verify` of an image names a `policy`, or has the keys of one, `key` or `identity` and `issuer`";
                return Err(Problem::new(value.place, problem));
            }
        };
        Ok(Requirement { policy, mode: mode.unwrap_or(Mode::Require), checked: Checked::NotKept })
    }

    /// The policy of this name, which is used now.
    fn take(&mut self, place: Place, name: &str) -> Result<Arc<Policy>, Problem> {
        match self.named.iter_mut().find(|named| named.name == name) {
            Some(named) => {
                named.is_used = true;
                Ok(Arc::clone(&named.policy))
            }
            None => Err(self.unknown(place, name)),
        }
    }

    fn rule(&mut self, key: &Key, item: &Node) -> Result<Rule, Problem> {
        let members = map(key, item)?;
        for (key, _) in members {
            known(key, "a rule of `verify`", &RULE_KEYS)?;
        }
        let Some((images_key, images)) = find(members, "images") else {
            return Err(Problem::new(item.place, "this rule has no `images`; name those it is for, `ghcr.io/octo/**`"));
        };
        let images = several(images_key, images)?;
        let images = images.into_iter().map(|(place, text)| pattern(place, text)).collect::<Result<_, _>>()?;
        let mode = find(members, "mode").map(|(key, value)| word(key, value)).transpose()?;
        let policy = match (find(members, "policy"), mode) {
            (Some((key, value)), _) => Some(self.take(value.place, text(key, value)?)?),
            (None, Some(_)) => None,
            (None, None) => {
                let problem =
                    "this rule names no `policy`; name one, or write `mode: require` to let none of these images in";
                return Err(Problem::new(item.place, problem));
            }
        };
        Ok(Rule { place: item.place, images, policy, mode: mode.unwrap_or(Mode::Require) })
    }

    fn unknown(&self, place: Place, name: &str) -> Problem {
        let all: Vec<&str> = self.named.iter().map(|named| &*named.name).collect();
        let hint = match nearest(name, all.iter().copied()) {
            Some(known) => format!("; did you mean `{known}`?"),
            None if all.is_empty() => "; describe it under `policies`".to_owned(),
            None => format!("; there are {}", all.join(", ")),
        };
        Problem::new(place, format!("there is no policy `{}`{hint}", quote(name)))
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
    if name.text.is_empty() || name.text.len() > LONGEST_NAME || !name.text.chars().all(is_letter) {
        let problem =
            format!("`{}` is no name of a policy; it has letters, digits, `.`, `_` and `-`", quote(&name.text));
        return Err(Problem::new(name.place, problem));
    }
    let members = map(name, value)?;
    for (key, _) in members {
        known(key, "a policy", &POLICY_KEYS)?;
    }
    described_by(&name.text, name.place, members, load)
}

/// What a policy is called that an image describes itself: the image, in the letters of such a name.
fn name_of(source: &ImageReference) -> String {
    let name = source.registry().map_or_else(|| source.to_string(), Reference::name);
    name.chars().map(|letter| if is_letter(letter) { letter } else { '-' }).take(LONGEST_NAME).collect()
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

/// The policy that these keys describe.
fn described_by(name: &str, place: Place, members: &Members, load: &Load<'_>) -> Result<Policy, Problem> {
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
            return Err(Problem::new(place, "a policy has a `key`, or an `identity` and its `issuer`"));
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
        name: Some(name.to_owned()),
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

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr\n\
                       kBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\n-----END PUBLIC KEY-----\n";

    fn read(text: &str) -> Result<List, String> {
        let mut list = List::default();
        let load = |name: &str| if name == "a.pub" { Ok(KEY.to_owned()) } else { Err("is not there".to_owned()) };
        list.read("a.yml", text, &load).map(|()| list).map_err(|error| error.to_string())
    }

    #[test]
    fn what_an_image_says_itself_comes_before_all_rules() {
        let list = "policies: { k: { key: a.pub }, s: { issuer: https://i, identity: me } }\n\
                    verify: [{ images: '**', policy: k }]\nimages:\n";
        let of = |item: &str| {
            let list = read(&format!("{list}  - ghcr.io/a/other:1\n  - {item}\n")).unwrap();
            let wanted = list.entries[1].settings.requirement.clone().unwrap();
            (wanted.policy.map(|policy| policy.called().to_owned()), wanted.mode)
        };
        let name = |name: &str| Some(name.to_owned());
        for (item, wanted) in [
            ("{ source: 'ghcr.io/a/b:1' }", (name("k"), Mode::Require)),
            ("{ source: 'ghcr.io/a/b:1', verify: s }", (name("s"), Mode::Require)),
            ("{ source: 'ghcr.io/a/b:1', verify: off }", (None, Mode::Off)),
            ("{ source: 'ghcr.io/a/b:1', verify: { policy: s, mode: warn } }", (name("s"), Mode::Warn)),
            ("{ source: 'ghcr.io/a/b:1', verify: { key: a.pub, log: ignore } }", (name("ghcr.io-a-b"), Mode::Require)),
        ] {
            if item.contains(": s") {
                assert_eq!(of(item), wanted, "{item}");
            } else {
                // A policy that nothing names is refused.
                assert!(read(&format!("{list}  - {item}\n")).unwrap_err().contains("no rule uses the policy `s`"));
                assert_eq!(of(&format!("{item}\n  - {{ source: x/y, verify: s }}")), wanted, "{item}");
            }
        }
        for (verify, sentence) in [
            ("k2", "there is no policy `k2`; there are k, s"),
            ("{ policy: k, key: a.pub }", "leave one out"),
            ("{ key: b.pub }", "`key`: `b.pub` is not there"),
            ("{ identity: me }", "an `identity` is worth what its `issuer` is"),
            ("{}", "`verify` of an image names a `policy`, or has the keys of one"),
            ("{ keys: a.pub }", "a.yml:4:34"),
        ] {
            let problem = read(&format!("{list}  - {{ source: 'x/y:1', verify: {verify} }}\n")).unwrap_err();
            assert!(problem.contains(sentence), "{sentence}: {problem}");
        }
        assert!(read("defaults: { verify: off }\nimages: [a]\n").unwrap_err().contains("`verify` differs from image"));
    }

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
