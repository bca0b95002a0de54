use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, Method};

/// Whether a browser made the request for a page: by the Fetch standard it then sends `Origin`, or a `Sec-Fetch-Mode`
/// that is not a person's own navigation. No page can take these headers away.
///
/// A browser sends `Sec-Fetch-Site` with every `Sec-Fetch-Mode` (Fetch Metadata, section 2). Node's `fetch`, which backends use,
/// sends the mode alone, with the value `cors`.
pub(crate) fn made_by_a_page(headers: &HeaderMap) -> bool {
    let for_a_page = || headers.get_all("sec-fetch-mode").iter().any(|mode| mode != "navigate");
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") && for_a_page()
}

/// Whether a browser asks if it may make a request, before it makes it.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
