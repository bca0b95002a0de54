//! What is shown, and how it is said.

pub(crate) mod audit;
pub(crate) mod keys;
pub(crate) mod message;
pub(crate) mod organizations;
pub(crate) mod sign_in;
mod when;

use doorward_auth::Receipt;
use doorward_key::ShownOnce;

pub(crate) use when::Moment;

/// What a form led to, for the page to say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What was done, or why not.
    pub(crate) notice: Option<Notice>,
    /// A value, this one time.
    pub(crate) shown: Option<Shown>,
    /// A dialog to answer again.
    pub(crate) again: Option<keys::Dialog>,
    /// What was wrong with its answer.
    pub(crate) error: Option<String>,
    /// An origin that cannot be allowed, and why.
    pub(crate) refused_origin: Option<(String, String)>,
    /// Whether a callback may go to a URL.
    pub(crate) tried: Option<Tried>,
}

/// A sentence above everything else.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// Nothing was done.
    pub(crate) warns: bool,
}

/// A value in the one answer that shows it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) value: ShownOnce,
    pub(crate) receipt: Receipt,
}

/// A URL that was tried.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) url: String,
    pub(crate) allowed: bool,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn notice(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: false }), ..Self::default() }
    }

    pub(crate) fn warning(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: true }), ..Self::default() }
    }

    /// Something is dead, and since when.
    pub(crate) fn dead(text: &str, receipt: Receipt) -> Self {
        Self::notice(format!("{text} Dead everywhere after {} ms: {}", receipt.waited().as_millis(), receipt.nodes()))
    }

    pub(crate) fn shown(shown: Shown) -> Self {
        Self { shown: Some(shown), ..Self::default() }
    }
}

/// What is around every page.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    pub(crate) base: &'a str,
    /// Who is signed in.
    pub(crate) operator: Option<&'a str>,
}

impl Shell<'_> {
    /// Where a file beside the pages is.
    fn asset(&self, name: &str) -> String {
        format!("{}/assets/{name}?{}", self.base, *crate::assets::VERSION)
    }
}

/// A number as people read it: 12,345.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let groups = rest.as_bytes().chunks(3).filter_map(|group| str::from_utf8(group).ok());
    let groups: Vec<&str> = Some(head).filter(|head| !head.is_empty()).into_iter().chain(groups).collect();
    groups.join(",")
}

/// "1 use", "2 uses".
fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_groups() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((counted(1, "use"), counted(2_000, "use")), ("1 use".to_owned(), "2,000 uses".to_owned()));
    }
}
