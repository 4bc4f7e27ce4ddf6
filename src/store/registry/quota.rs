//! What the headers of an answer say of the pulls that a registry bills. Pure.

use reqwest::header::HeaderMap;

use crate::observe::pulls::Quota;

/// What an answer about a manifest says of the pulls: `ratelimit-remaining: 76;w=21600` at Docker Hub.
pub(crate) fn quota(headers: &HeaderMap) -> Option<Quota> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.split(';').next()?.trim().parse().ok();
    Some(Quota { left: number("ratelimit-remaining")?, most: number("ratelimit-limit") })
}

/// Whether the pulls are used up: none are left of a window of hours. Gateways say the same of requests in a minute, which
/// pass while one waits (GitLab.com, the draft of the IETF).
pub(crate) fn has_no_pulls(headers: &HeaderMap) -> bool {
    const HOUR: u64 = 60 * 60;
    let Some(remaining) = headers.get("ratelimit-remaining").and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let window =
        remaining.split(';').filter_map(|part| part.trim().strip_prefix("w=")).find_map(|text| text.parse().ok());
    window.is_some_and(|seconds: u64| seconds >= HOUR) && quota(headers).is_some_and(|quota| quota.left == 0)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{has_no_pulls, quota};

    #[test]
    fn what_docker_hub_says_is_read() {
        let says = |remaining: &'static str| {
            let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
            let headers = [pair("ratelimit-limit", "100;w=21600"), pair("ratelimit-remaining", remaining)];
            quota(&HeaderMap::from_iter(headers)).map(|quota| (quota.left, quota.most))
        };
        assert_eq!(says("76;w=21600"), Some((76, Some(100))));
        assert_eq!(says("0"), Some((0, Some(100))));
        assert_eq!((says("many"), says("")), (None, None));
        assert_eq!(quota(&HeaderMap::new()), None);
    }

    #[test]
    fn pulls_are_used_up_where_a_window_of_hours_has_none_left() {
        for (remaining, used_up) in
            [("0;w=21600", true), ("0; w=21600", true), ("1;w=21600", false), ("0", false), ("0;w=60", false)]
        {
            let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
            let headers = [pair("ratelimit-limit", "100;w=21600"), pair("ratelimit-remaining", remaining)];
            assert_eq!(has_no_pulls(&HeaderMap::from_iter(headers)), used_up, "{remaining}");
        }
    }
}
