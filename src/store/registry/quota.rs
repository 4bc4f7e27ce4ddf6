//! What the headers of an answer say of the pulls that a registry bills. Pure.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::observe::pulls::Quota;

/// What an answer about a manifest says of the pulls: `ratelimit-remaining: 76;w=21600` at Docker Hub.
pub(crate) fn quota(headers: &HeaderMap) -> Option<Quota> {
    let number = |name: &str| text(headers, name)?.split(';').next()?.trim().parse().ok();
    let most = number("ratelimit-limit");
    Some(Quota {
        left: number("ratelimit-remaining")?,
        most,
        window: text(headers, "ratelimit-limit").and_then(window),
    })
}

/// Whether the pulls are used up: none are left of a window of hours. Gateways say the same of requests in a minute, which
/// pass while one waits (GitLab.com, the draft of the IETF).
pub(crate) fn has_no_pulls(headers: &HeaderMap) -> bool {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let window = text(headers, "ratelimit-remaining").and_then(window);
    window.is_some_and(|window| window >= HOUR) && quota(headers).is_some_and(|quota| quota.left == 0)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The window of `76;w=21600`.
fn window(text: &str) -> Option<Duration> {
    let seconds = text.split(';').filter_map(|part| part.trim().strip_prefix("w=")).find_map(|text| text.parse().ok());
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{has_no_pulls, quota};

    #[test]
    fn what_docker_hub_says_is_read() {
        let says = |remaining: &'static str| {
            let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
            let headers = [pair("ratelimit-limit", "100;w=21600"), pair("ratelimit-remaining", remaining)];
            quota(&HeaderMap::from_iter(headers)).map(|quota| (quota.left, quota.most, quota.window))
        };
        let window = Some(Duration::from_secs(6 * 60 * 60));
        assert_eq!(says("76;w=21600"), Some((76, Some(100), window)));
        assert_eq!(says("0"), Some((0, Some(100), window)));
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
