use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, Method};

/// Whether a browser made the request for a page: by the Fetch standard it then sends `Origin`, or a `Sec-Fetch-Mode`
/// that is not a person's own navigation. No page can take these headers away.
pub(crate) fn made_by_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.get_all("sec-fetch-mode").iter().any(|mode| mode != "navigate")
}

/// Whether a browser asks if it may make a request, before it makes it.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
