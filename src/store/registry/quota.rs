//! What the headers of an answer say of the pulls that a registry bills. Pure.

use reqwest::header::HeaderMap;

use crate::observe::pulls::Quota;

/// What an answer about a manifest says of the pulls: `ratelimit-remaining: 76;w=21600` at Docker Hub.
pub(crate) fn quota(headers: &HeaderMap) -> Option<Quota> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.split(';').next()?.trim().parse().ok();
    Some(Quota { left: number("ratelimit-remaining")?, most: number("ratelimit-limit") })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::quota;

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
}
