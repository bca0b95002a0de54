//! The pages and their texts.

pub(crate) mod audit;
mod confirm;
pub(crate) mod connectors;
pub(crate) mod fault;
pub(crate) mod key;
pub(crate) mod keys;
mod lookalikes;
pub(crate) mod message;
pub(crate) mod operators;
pub(crate) mod organizations;
pub(crate) mod origins;
mod reported;
pub(crate) mod said;
pub(crate) mod session;
pub(crate) mod shown;
pub(crate) mod sign_in;
pub(crate) mod system;
mod tabs;
mod test_keys;
mod uses;
mod when;

use doorward_auth::ROTATION_PERIOD;
use doorward_types::Timestamp;

pub(crate) use self::when::RelativeTime;
use crate::caller::Caller;
use crate::preferences::Preferences;
use crate::state::Parts;

/// The frame of every page.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    pub(crate) base: &'a str,
    /// The signed-in operator. A visitor signs in and out at the host.
    pub(crate) operator: Option<&'a str>,
    /// The time of the answer by the server's clock, if there is a session.
    now: Option<Timestamp>,
    /// The end of the operator's session, if nobody uses it before.
    session_ends_at: Option<Timestamp>,
    /// The proof that this page made a form, if the caller's forms need it.
    form_token: Option<String>,
    /// The choices of the person, if there is one.
    preferences: Option<Preferences>,
    /// The page, to come back to.
    here: &'a str,
    /// The number of organizations whose rotation is due.
    due: u64,
    /// False if the store has lost a change, so that no node serves.
    is_intact: bool,
}

impl<'a> Shell<'a> {
    pub(crate) const fn of_nobody(parts: &'a Parts) -> Self {
        Self {
            base: parts.base.as_str(),
            operator: None,
            now: None,
            session_ends_at: None,
            form_token: None,
            preferences: None,
            here: "",
            due: 0,
            is_intact: true,
        }
    }

    pub(crate) fn of(parts: &'a Parts, who: &'a Caller) -> Self {
        let operator = who.only_organization().is_none().then(|| who.actor().as_str());
        Self {
            operator,
            now: who.session_ends_at().map(|_| parts.verifier.core().clock().now()),
            session_ends_at: who.session_ends_at(),
            form_token: who.form_token(),
            preferences: Some(who.preferences),
            here: &who.here,
            due: if operator.is_some() { parts.verifier.production_keys_older_than(ROTATION_PERIOD).0 } else { 0 },
            is_intact: parts.verifier.is_store_intact(),
            ..Self::of_nobody(parts)
        }
    }

    /// Returns whether this is a page of the part of the dashboard with this path.
    fn is_at(&self, path: &str) -> bool {
        let rest = self.here.strip_prefix(self.base).unwrap_or(self.here);
        rest.split('?').next() == Some(path)
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
pub(crate) fn counted(number: u64, one: &str) -> String {
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
