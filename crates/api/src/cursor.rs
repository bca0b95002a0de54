//! Lists in pages: `?limit=&cursor=`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_http::Problem;
use doorward_store::Page;
use http::Uri;

use crate::code::Code;
use crate::views::List;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// Reads the page that a request asks for.
///
/// # Errors
///
/// [`Code::InvalidRequest`] for a parameter that is unknown, repeated or invalid.
pub(crate) fn page<K: FromStr>(uri: &Uri) -> Result<Page<K>, Problem> {
    query(uri, &[]).map(|(page, _)| page)
}

/// Reads the page, and the other parameters with these names.
///
/// # Errors
///
/// As [`page`].
pub(crate) fn query<K: FromStr>(uri: &Uri, names: &[&'static str]) -> Result<(Page<K>, Parameters), Problem> {
    let (mut limit, mut cursor, mut others) = (None, None, Parameters::default());
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("limit", value)) if limit.is_none() => limit = Some(value.parse().unwrap_or_default()),
            Some(("cursor", value)) if cursor.is_none() => cursor = Some(value),
            other => {
                let known = other.and_then(|(name, value)| Some((*names.iter().find(|known| **known == name)?, value)));
                let (name, value) = known.filter(|(name, _)| !others.0.contains_key(name)).ok_or_else(|| {
                    let names: Vec<_> =
                        ["limit", "cursor"].iter().chain(names).map(|name| format!("`{name}`")).collect();
                    invalid(format!("the query has the parameters {}, each at most once", names.join(", ")))
                })?;
                let value = percent_encoding::percent_decode_str(value).decode_utf8();
                let value = value.map_err(|_| invalid(format!("`{name}` is not UTF-8")))?;
                others.0.insert(name, value.into_owned());
            }
        }
    }
    Ok((page_of(limit, cursor)?, others))
}

/// Reads a page from values that did not come by a query.
///
/// # Errors
///
/// As [`page`].
pub(crate) fn page_of<K: FromStr>(limit: Option<u32>, cursor: Option<&str>) -> Result<Page<K>, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(invalid("`limit` is a number from 1 to 100"));
    }
    let key = |cursor| decode(cursor).ok_or_else(|| invalid("`cursor` does not come from this list"));
    Ok(Page { after: cursor.map(key).transpose()?, limit })
}

/// Reads the query of a route without pages.
///
/// # Errors
///
/// As [`page`].
pub(crate) fn parameters(uri: &Uri, names: &[&'static str]) -> Result<Parameters, Problem> {
    match query::<u64>(uri, names)? {
        (Page { after: None, limit: DEFAULT_LIMIT }, parameters) => Ok(parameters),
        _ => Err(invalid("this list has no pages")),
    }
}

/// The parameters of a query beside the page.
#[derive(Debug, Default)]
pub(crate) struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// Returns the value of a parameter, if the query has it.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`] if the value cannot be read.
    pub(crate) fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.0.get(name).map(|value| value.parse());
        value.transpose().map_err(|error: T::Err| invalid(format!("`{name}`: {error}")))
    }
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

/// Asks the store for one row more than the page has, to see whether the page is the last.
pub(crate) fn one_more<K: Clone>(page: &Page<K>) -> Page<K> {
    Page { after: page.after.clone(), limit: page.limit + 1 }
}

/// Returns a page of a list that was read with [`one_more`].
pub(crate) fn list<K, R, T>(
    page: &Page<K>,
    mut rows: Vec<R>,
    key: impl Fn(&R) -> String,
    shape: impl Fn(R) -> T,
) -> List<T> {
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
    fn the_last_page_has_no_cursor() {
        let page = Page::<u64> { after: None, limit: 2 };
        let of = |rows: Vec<u64>| list(&page, rows, u64::to_string, |row| row);
        assert!(of(vec![3, 2]).next_cursor.is_none());
        let first = of(vec![3, 2, 1]);
        assert_eq!(first.data, [3, 2]);
        assert_eq!(decode::<u64>(&first.next_cursor.unwrap()), Some(2));
    }
}
