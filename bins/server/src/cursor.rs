//! Lists in pages: `?limit=&cursor=`.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward::http::shapes::List;
use doorward::http::{Code, Problem};
use doorward::store::Page;
use http::Uri;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// Which page a request asks for.
///
/// # Errors
///
/// [`Code::InvalidRequest`] for a parameter that is not known, stands twice, or is not as it should be.
pub fn page<K: FromStr>(uri: &Uri) -> Result<Page<K>, Problem> {
    let invalid = |detail| Problem::new(Code::InvalidRequest, detail);
    let (mut limit, mut after) = (None, None);
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("limit", value)) if limit.is_none() => {
                let number = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                limit = Some(number.ok_or_else(|| invalid("`limit` is a number from 1 to 100"))?);
            }
            Some(("cursor", value)) if after.is_none() => {
                let key = decode(value).ok_or_else(|| invalid("`cursor` is not one that this list gave out"))?;
                after = Some(key);
            }
            _ => return Err(invalid("the query has the parameters `limit` and `cursor`, each once at the most")),
        }
    }
    Ok(Page { after, limit: limit.unwrap_or(DEFAULT_LIMIT) })
}

/// Asks the store for one row more than the page has, so that the last page knows that it is.
#[must_use]
pub fn one_more<K: Clone>(page: &Page<K>) -> Page<K> {
    Page { after: page.after.clone(), limit: page.limit + 1 }
}

/// A page of a list that was asked for with [`one_more`].
pub fn list<K, R, T>(page: &Page<K>, mut rows: Vec<R>, key: impl Fn(&R) -> String, shape: impl Fn(R) -> T) -> List<T> {
    let limit = page.limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|last| BASE64_URL_SAFE_NO_PAD.encode(key(last)));
    List { data: rows.into_iter().map(shape).collect(), next_cursor }
}

fn decode<K: FromStr>(cursor: &str) -> Option<K> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Option<(u32, Option<u64>)> {
        let uri = format!("/list?{query}").parse().unwrap();
        page::<u64>(&uri).ok().map(|page| (page.limit, page.after))
    }

    #[test]
    fn a_page_is_read_strictly() {
        let cursor = BASE64_URL_SAFE_NO_PAD.encode("7");
        assert_eq!(of(""), Some((20, None)));
        assert_eq!(of("limit=100"), Some((100, None)));
        assert_eq!(of(&format!("cursor={cursor}&limit=1")), Some((1, Some(7))));
        for bad in
            ["limit=0", "limit=101", "limit=x", "limit=", "limit=1&limit=1", "cursor=!", "cursor=", "page=1", "a"]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_page_knows_that_it_is() {
        let page = Page::<u64> { after: None, limit: 2 };
        let of = |rows: Vec<u64>| list(&page, rows, u64::to_string, |row| row);
        assert!(of(vec![3, 2]).next_cursor.is_none());
        let first = of(vec![3, 2, 1]);
        assert_eq!(first.data, [3, 2]);
        assert_eq!(decode::<u64>(&first.next_cursor.unwrap()), Some(2));
    }
}
