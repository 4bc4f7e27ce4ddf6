//! The `Link` header: where the next page of a listing is (RFC 8288).

use reqwest::header::{HeaderMap, LINK};
use url::Url;

use crate::error::violation::Violation;
use crate::text::sanitise;

/// The address of the next page: `Link: <…>; rel="next"` (RFC 8288), relative or absolute; none on the last page.
///
/// A next page that is named and cannot be asked for is an error: taken for none, it would cut the list short.
pub fn next_page(headers: &HeaderMap, current: &Url) -> Result<Option<Url>, Violation> {
    for value in headers.get_all(LINK) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let mut rest = value.as_ref();
        while let Some((address, after)) = rest.split_once('<').and_then(|(_, link)| link.split_once('>')) {
            let (parameters, others) = split_unquoted(after, ',');
            if is_next(parameters) {
                let problem = |_| Violation::NextPageUnreadable { address: sanitise::one_line(address, 200) };
                return current.join(address).map(Some).map_err(problem);
            }
            rest = others;
        }
    }
    Ok(None)
}

/// Whether a link's parameters say `rel=next`, among other relations perhaps.
pub fn is_next(mut parameters: &str) -> bool {
    while !parameters.is_empty() {
        let (parameter, others) = split_unquoted(parameters, ';');
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if key.trim().eq_ignore_ascii_case("rel") {
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            return relations.any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        parameters = others;
    }
    false
}

/// `text` before and after the first `separator` that is in no quoted string.
pub fn split_unquoted(text: &str, separator: char) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => return (&text[..at], &text[at + separator.len_utf8()..]),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, LINK};
    use url::Url;

    use super::next_page;
    use crate::error::violation::Violation;

    #[test]
    fn the_next_page_is_found_in_every_form_of_link() {
        let current = Url::parse("https://r.example/v2/a/referrers/sha256:0?n=1").unwrap();
        for (link, expected) in [
            ("</v2/a/x?last=b>; rel=\"next\"", Some("https://r.example/v2/a/x?last=b")),
            ("<https://r.example/y>; rel=next", Some("https://r.example/y")),
            ("</p>; rel=\"prev\", </n>; title=\"t\"; rel=\"next\"", Some("https://r.example/n")),
            ("</n?last=1,2;3>; rel=next", Some("https://r.example/n?last=1,2;3")),
            ("</p>; title=\"a, b; rel=next\", </n>;REL = \"last NEXT\"", Some("https://r.example/n")),
            ("</p>; title=\"a \\\", <x>; rel=next\"; rel=prev", None),
            ("<x>; rel=\"prev\"", None),
            ("nonsense", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]);
            let found = next_page(&headers, &current).expect(link);
            assert_eq!(found.map(String::from).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn a_next_page_that_cannot_be_asked_for_does_not_end_the_list() {
        let current = Url::parse("https://r.example/v2/a/referrers/sha256:0").unwrap();
        let mut headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static("<https://[x]/>; rel=next"))]);
        assert_eq!(
            next_page(&headers, &current),
            Err(Violation::NextPageUnreadable { address: "https://[x]/".to_owned() })
        );
        headers.insert(LINK, HeaderValue::from_bytes(b"</n>; title=\"\xff\"; rel=next").unwrap());
        assert_eq!(next_page(&headers, &current).unwrap().map(String::from).as_deref(), Some("https://r.example/n"));
    }
}
