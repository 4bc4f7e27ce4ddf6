//! Which services sign: the authority that certifies, the log, the timestamp authority.
//!
//! Owns the choice: those that a signing configuration names, else the public instance for a public repository and GitHub's own
//! for all others, whose names belong into no public log. Contacts nothing.
//!
//! Sources: sigstore's protobuf-specs, `sigstore_trustroot.proto` (`SigningConfig`); GitHub's `@actions/attest`.

use std::time::SystemTime;

use serde_json::Value;
use url::Url;

use crate::text::quote::quote;
use crate::text::sanitise;

/// What a signing configuration calls itself.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// The services that sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// Certifies whose a key is: Fulcio.
    pub authority: Url,
    /// Has every signature: Rekor. None where only a timestamp proves when one was made.
    pub log: Option<Log>,
    /// Says when a signature was there.
    pub timestamps: Option<Url>,
}

/// A transparency log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub url: Url,
    pub api: LogApi,
}

/// The versions of a log's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogApi {
    /// Its entries have a time.
    First,
    /// They have none: a timestamp must say it.
    Second,
}

impl Services {
    /// Those that go with a repository of this visibility, as its identity has it.
    pub(super) fn of_repository(visibility: Option<&str>) -> Self {
        match visibility {
            Some("public") => Self {
                authority: fixed("https://fulcio.sigstore.dev"),
                log: Some(Log { url: fixed("https://rekor.sigstore.dev"), api: LogApi::First }),
                timestamps: None,
            },
            // What is not known to be public is not made so.
            _ => Self {
                authority: fixed("https://fulcio.githubapp.com"),
                log: None,
                timestamps: Some(fixed("https://timestamp.githubapp.com/api/v1/timestamp")),
            },
        }
    }

    /// Reads the JSON text of a signing configuration; otherwise the rest of a sentence about it.
    pub fn parse(text: &str, now: SystemTime) -> Result<Self, String> {
        let bad = |why: &dyn std::fmt::Display| {
            let why = sanitise::one_line(&why.to_string(), 200);
            format!("is no signing configuration of sigstore, `signing_config.v0.2.json`: {why}")
        };
        let config: Value = serde_json::from_str(text).map_err(|why| bad(&why))?;
        let named = config["mediaType"].as_str().unwrap_or_default();
        if named != MEDIA_TYPE {
            return Err(bad(&format_args!("it calls itself `{}`", quote(named))));
        }
        let authority = newest(&config["caUrls"], 1, now)?;
        let (authority, _) = authority.ok_or("names no authority of version 1 that is valid now (`caUrls`)")?;
        let log = newest(&config["rekorTlogUrls"], 2, now)?;
        let log = log.map(|(url, version)| Log { url, api: if version == 2 { LogApi::Second } else { LogApi::First } });
        let timestamps = newest(&config["tsaUrls"], 1, now)?.map(|(url, _)| url);
        if timestamps.is_none() && log.as_ref().is_none_or(|log| log.api == LogApi::Second) {
            let why = "names nothing that says when a signature was made: a log of version 1, or a timestamp authority";
            return Err(why.to_owned());
        }
        for name in ["rekorTlogConfig", "tsaConfig"] {
            let wanted = config[name]["count"].as_u64().unwrap_or_default();
            if config[name]["selector"] == "EXACT" && wanted > 1 {
                return Err(format!("wants {wanted} services by `{name}`; one of a kind is used here"));
            }
        }
        Ok(Self { authority, log, timestamps })
    }
}

/// Of the services that are valid now, of a version up to `latest`, the one with the highest version, and of these the newest.
fn newest(services: &Value, latest: u64, now: SystemTime) -> Result<Option<(Url, u64)>, String> {
    let mut found: Option<(u64, SystemTime, Url)> = None;
    for service in services.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |text: &str| {
            let bad = |_| format!("has `{}` where a time is to be, `2025-01-31T00:00:00Z`", quote(text));
            humantime::parse_rfc3339_weak(text).map_err(bad)
        };
        let start = time(&text(&service["validFor"]["start"]))?;
        let end = service["validFor"]["end"].as_str().map(time).transpose()?;
        let address = text(&service["url"]);
        let url = Url::parse(&address).ok().filter(|url| url.scheme() == "https" && url.host().is_some());
        let bare = url.filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none());
        let url = bare.ok_or_else(|| format!("has `{}` where an https address is to be", quote(&address)))?;
        let version = service["majorApiVersion"].as_u64().unwrap_or_default();
        let is_valid = start <= now && end.is_none_or(|end| now < end) && (1..=latest).contains(&version);
        if is_valid && found.as_ref().is_none_or(|(known, since, _)| (version, start) > (*known, *since)) {
            found = Some((version, start, url));
        }
    }
    Ok(found.map(|(version, _, url)| (url, version)))
}

/// The address of `path` at a service, which may have a path itself.
pub(super) fn at(service: &Url, path: &str) -> String {
    format!("{}{path}", service.as_str().trim_end_matches('/'))
}

fn fixed(address: &str) -> Url {
    Url::parse(address).unwrap_or_else(|_| unreachable!("a constant address is one"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::{LogApi, MEDIA_TYPE, Services};

    fn service(url: &str, version: u32, start: &str) -> Value {
        json!({ "url": url, "majorApiVersion": version, "validFor": { "start": start }, "operator": "x" })
    }

    fn read(change: impl FnOnce(&mut Value)) -> Result<Services, String> {
        let mut config = json!({
            "mediaType": MEDIA_TYPE,
            "caUrls": [service("https://ca.test/deep/", 1, "2022-04-13T20:06:15.000Z")],
            "oidcUrls": [],
            "rekorTlogUrls": [
                service("https://old.test", 1, "2021-01-12T11:53:27Z"),
                service("https://future.test", 2, "2999-01-01T00:00:00Z"),
                service("https://three.test", 3, "2022-01-01T00:00:00Z"),
            ],
            "rekorTlogConfig": { "selector": "ANY" },
        });
        change(&mut config);
        Services::parse(&config.to_string(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000))
    }

    #[test]
    fn the_highest_version_that_is_valid_now_is_chosen_and_a_time_must_come_from_somewhere() {
        let services = read(|_| {}).unwrap();
        assert_eq!(super::at(&services.authority, "/x"), "https://ca.test/deep/x");
        let log = services.log.unwrap();
        assert_eq!((log.url.as_str(), log.api, services.timestamps), ("https://old.test/", LogApi::First, None));
        let timestamps = json!([service("https://tsa.test/stamp", 1, "2022-01-01T00:00:00Z")]);
        let second = |config: &mut Value| {
            config["rekorTlogUrls"][1]["validFor"]["start"] = json!("2025-01-01T00:00:00Z");
        };
        let services = read(|config| {
            second(config);
            config["tsaUrls"] = timestamps.clone();
        });
        assert_eq!(services.unwrap().log.unwrap().api, LogApi::Second);
        for (change, sentence) in [
            (Box::new(second) as Box<dyn FnOnce(&mut Value)>, "names nothing that says when"),
            (Box::new(|config| config["rekorTlogUrls"] = json!([])), "names nothing that says when"),
            (Box::new(|config| config["caUrls"] = json!([])), "names no authority"),
            (Box::new(|config| config["mediaType"] = json!("x")), "it calls itself `x`"),
            (
                Box::new(|config| config["caUrls"][0]["url"] = json!("http://ca.test")),
                "where an https address is to be",
            ),
            (Box::new(|config| config["caUrls"][0]["url"] = json!("https://u:p@ca.test")), "where an https address"),
            (Box::new(|config| config["caUrls"][0]["validFor"]["start"] = json!("soon")), "where a time is to be"),
            (
                Box::new(|config| config["rekorTlogConfig"] = json!({ "selector": "EXACT", "count": 2 })),
                "wants 2 services by `rekorTlogConfig`",
            ),
            (Box::new(|config| *config = json!([])), "is no signing configuration"),
        ] {
            let problem = read(change).unwrap_err();
            assert!(problem.contains(sentence), "{sentence}: {problem}");
        }
    }

    #[test]
    fn only_a_repository_that_is_known_to_be_public_is_named_in_the_public_log() {
        for (visibility, host, log) in [
            (Some("public"), "fulcio.sigstore.dev", true),
            (Some("private"), "fulcio.githubapp.com", false),
            (Some("internal"), "fulcio.githubapp.com", false),
            (None, "fulcio.githubapp.com", false),
        ] {
            let services = Services::of_repository(visibility);
            assert_eq!((services.authority.host_str(), services.log.is_some()), (Some(host), log), "{visibility:?}");
        }
    }
}
