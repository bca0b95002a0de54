use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};

/// Returns whether a page of this service's own origin sent the request: by Fetch Metadata, which every current browser sends to
/// https and to this machine; else by `Origin`, which every browser sends with a form. A client that sends neither is not a
/// browser, and may not use a cookie.
#[must_use]
pub fn sent_by_own_origin(request: &Parts) -> bool {
    let headers = &request.headers;
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => {
            let named = headers.get(HOST).and_then(|host| host.to_str().ok());
            let host = named.or_else(|| Some(request.uri.authority()?.as_str()));
            let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
            let origin = origin.and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
            origin.is_some() && origin == host
        }
    }
}

/// Returns whether a page in a browser made the request. By the Fetch standard, the browser then sends `Origin`, or a
/// `Sec-Fetch-Mode` other than a user's own navigation. A page cannot remove these headers.
///
/// A browser sends `Sec-Fetch-Site` with every `Sec-Fetch-Mode` (Fetch Metadata, section 2). Node's `fetch`, which backends use,
/// sends the mode alone, with the value `cors`.
pub(crate) fn made_by_a_page(headers: &HeaderMap) -> bool {
    let for_a_page = || headers.get_all("sec-fetch-mode").iter().any(|mode| mode != "navigate");
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") && for_a_page()
}

/// Returns whether the request is a CORS preflight.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_origin_sends_forms() {
        let check = |headers: &[(&'static str, &str)]| {
            let add =
                |request: http::request::Builder, (name, value): &(&'static str, &str)| request.header(*name, *value);
            let request = headers.iter().fold(http::Request::builder(), add);
            sent_by_own_origin(&request.body(()).unwrap().into_parts().0)
        };
        assert!(check(&[("sec-fetch-site", "same-origin")]));
        assert!(check(&[("origin", "https://keys.example.com"), ("host", "keys.example.com")]));
        for refused in [
            &[][..],
            &[("host", "keys.example.com")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://keys.example.com"), ("host", "keys.example.com")],
            &[("sec-fetch-site", "none")],
            &[("origin", "null"), ("host", "null")],
            &[("origin", "https://evil.example"), ("host", "keys.example.com")],
            &[("origin", "https://keys.example.com.evil.example"), ("host", "keys.example.com")],
            &[("origin", "https://keys.example.com:444"), ("host", "keys.example.com")],
        ] {
            assert!(!check(refused), "{refused:?}");
        }
    }
}
