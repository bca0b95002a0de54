//! The pages and their texts.

pub(crate) mod audit;
pub(crate) mod fault;
pub(crate) mod keys;
pub(crate) mod message;
pub(crate) mod organizations;
pub(crate) mod said;
pub(crate) mod sign_in;
mod test_keys;
mod when;

pub(crate) use when::RelativeTime;

use crate::caller::Caller;
use crate::state::Parts;

/// The frame of every page.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    pub(crate) base: &'a str,
    /// The signed-in operator. A visitor signs in and out at the host.
    pub(crate) operator: Option<&'a str>,
    /// The proof that this page made a form, if the caller's forms need it.
    form_token: Option<String>,
}

impl<'a> Shell<'a> {
    pub(crate) const fn of_nobody(parts: &'a Parts) -> Self {
        Self { base: parts.base.as_str(), operator: None, form_token: None }
    }

    pub(crate) fn of(parts: &'a Parts, who: &'a Caller) -> Self {
        let operator = who.only_organization().is_none().then(|| who.actor().as_str());
        Self { operator, form_token: who.form_token(), ..Self::of_nobody(parts) }
    }

    /// Returns the URL of a static file.
    fn asset(&self, name: &str) -> String {
        format!("{}/assets/{name}?{}", self.base, *crate::assets::VERSION)
    }
}

/// Returns a number with separators: 12,345.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let groups = rest.as_bytes().chunks(3).filter_map(|group| str::from_utf8(group).ok());
    let groups: Vec<&str> = Some(head).filter(|head| !head.is_empty()).into_iter().chain(groups).collect();
    groups.join(",")
}

/// Returns a count with its noun: "1 use", "2 uses".
fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((counted(1, "use"), counted(2_000, "use")), ("1 use".to_owned(), "2,000 uses".to_owned()));
    }
}
