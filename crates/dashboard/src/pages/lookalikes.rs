//! Marks for names that people take for another name, and for names that nobody sees.

use std::collections::HashMap;

use unicode_security::MixedScript;

/// The names of a list, by their looks.
pub(super) struct Lookalikes<'n>(HashMap<String, Vec<&'n str>>);

impl<'n> Lookalikes<'n> {
    /// Returns the looks of these names, one for each thing that has a name.
    pub(super) fn of(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut alike: HashMap<_, Vec<_>> = HashMap::new();
        for name in names {
            alike.entry(looks(name)).or_default().push(name);
        }
        Self(alike)
    }

    /// Returns the reason to look twice at a name of the list, or `None` if a person reads the name as what it is.
    pub(super) fn mark(&self, name: &str) -> Option<&'static str> {
        let others = self.0.get(&looks(name)).map(Vec::as_slice).unwrap_or_default();
        if is_blank(name) {
            Some("blank name")
        } else if others.iter().any(|other| *other != name) {
            Some("looks like another")
        } else if others.len() > 1 {
            Some("same name as another")
        } else {
            name.split_whitespace().any(is_disguised).then_some("letters of two scripts")
        }
    }
}

/// Returns the same text for names that look alike (UTS #39, section 4). Case, spaces and composition differ little to the eye.
fn looks(name: &str) -> String {
    let skeleton: String = unicode_security::skeleton(&name.to_lowercase()).collect();
    skeleton.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether a word looks like plain letters, and is written with letters of another script among them.
fn is_disguised(word: &str) -> bool {
    !word.is_single_script() && unicode_security::skeleton(word).all(|letter| letter.is_ascii())
}

/// Returns whether a name shows nothing: fillers, variation selectors and the empty Braille cell are letters to a computer.
fn is_blank(name: &str) -> bool {
    name.chars().all(|letter| {
        letter.is_whitespace()
            || matches!(letter, '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180d}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_deceive_the_eye_are_marked() {
        let names = ["Acme", "\u{410}cme", "acme", "ci", "ci", "\u{3164}", "\u{2800}", "B\u{435}ta", "Zoë", "日本語"];
        let list = Lookalikes::of(names);
        for twin in ["Acme", "\u{410}cme", "acme"] {
            assert_eq!(list.mark(twin), Some("looks like another"), "{twin}");
        }
        assert_eq!(list.mark("ci"), Some("same name as another"));
        for blank in ["\u{3164}", "\u{2800}"] {
            assert_eq!(list.mark(blank), Some("blank name"));
        }
        assert_eq!(list.mark("B\u{435}ta"), Some("letters of two scripts"));
        for plain in ["Zoë", "日本語"] {
            assert_eq!(list.mark(plain), None, "{plain}");
        }
    }

    #[test]
    fn one_of_a_kind_has_no_mark() {
        let names = ["production", "ci", "laptop of Ada", "Καλημέρα", "ノートpc 2", "קוד", "СССР", "сервер CI"];
        let list = Lookalikes::of(names);
        assert!(names.iter().all(|name| list.mark(name).is_none()));
    }
}
