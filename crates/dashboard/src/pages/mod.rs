//! What is shown, and how it is said.

pub(crate) mod audit;
pub(crate) mod fault;
pub(crate) mod keys;
pub(crate) mod message;
pub(crate) mod organizations;
pub(crate) mod said;
pub(crate) mod sign_in;
mod when;

pub(crate) use when::Moment;

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
