//! The comparison of a typed text with what it confirms. People type names from memory: case, quotes and composed letters do
//! not matter.

use doorward_types::Locator;
use unicode_normalization::UnicodeNormalization;

/// The least number of a locator's characters that name a key among an organization's.
const ENOUGH: usize = 4;

/// Returns whether a typed text is a name.
pub(crate) fn is_name(typed: &str, name: &str) -> bool {
    !typed.is_empty() && plain(typed) == plain(name)
}

/// Returns whether a typed text is the beginning of a locator, or of a key's public name up to it: `dw_prod_v6uaRz`.
pub(crate) fn is_beginning(typed: &str, locator: Locator) -> bool {
    let typed = typed.rsplit('_').find(|part| !part.is_empty()).unwrap_or_default();
    typed.len() >= ENOUGH && locator.as_str().starts_with(typed)
}

fn plain(text: &str) -> String {
    let letters = text.nfkc().filter(|letter| !letter.is_whitespace());
    let letters = letters.filter(|letter| !matches!(letter, '\'' | '"' | '`' | '´' | '‘' | '’' | '“' | '”'));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_without_case_quotes_and_composition() {
        for typed in ["Zoë’s  Robots", "zoë's robots", "ZOE\u{308}S ROBOTS", "\"Zoës Robots\""] {
            assert!(is_name(typed, "Zoë’s Robots"), "{typed}");
        }
        for other in ["", "Zoe's Robots", "Zoë’s Robot", "acme"] {
            assert!(!is_name(other, "Zoë’s Robots"), "{other}");
        }
        // A name of quotes alone is typed as it is.
        assert!(!is_name("x", "’") && is_name("’", "’"));
    }

    #[test]
    fn a_key_is_known_by_the_beginning_of_its_locator() {
        let locator = "v6uaRz2NxR".parse().unwrap();
        for typed in ["v6ua", "v6uaRz2NxR", "dw_prod_v6uaRz", "dw_prod_v6uaRz2NxR_"] {
            assert!(is_beginning(typed, locator), "{typed}");
        }
        for other in ["", "v6u", "V6UA", "dw_prod_", "xv6ua"] {
            assert!(!is_beginning(other, locator), "{other}");
        }
    }
}
