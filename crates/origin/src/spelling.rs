//! Finds misspellings: hosts that differ by a letter or two.

/// The maximum number of steps for one refusal; a step compares a word or a letter. This takes about twenty microseconds. A list
/// that needs more steps gets no hint.
const COMPARISON_BUDGET: usize = 30_000;

/// The maximum number of edits in a misspelling: a letter is missing, added, replaced, or swapped with the next.
const MAX_DISTANCE: usize = 2;

/// Looks for misspellings within its budget.
#[derive(Debug)]
pub(crate) struct Speller {
    left: usize,
}

impl Speller {
    pub(crate) const fn new() -> Self {
        Self { left: COMPARISON_BUDGET }
    }

    /// Returns whether one or two edits turn one text into the other. Returns false if the budget is used up.
    pub(crate) fn is_close(&mut self, one: &str, other: &str) -> bool {
        if one.len().abs_diff(other.len()) > MAX_DISTANCE || self.left == 0 {
            return false;
        }
        let (one, other) = (one.as_bytes(), other.as_bytes());
        let same = common_beginning(one, other);
        let (one, other) = (from(one, same), from(other, same));
        let same_end = common_end(one, other);
        let (one, other) = (until(one, one.len() - same_end), until(other, other.len() - same_end));
        // The cost: the compared words, and the letters of the last word.
        self.left = self.left.saturating_sub((same + same_end) / 8 + 16);
        is_two_edits(one, other)
    }
}

/// Returns whether at most two edits turn one text into the other, if their first letters differ and their last letters differ.
/// Then one edit is at the very start, the other is at the very end, and the text between them is the same.
fn is_two_edits(one: &[u8], other: &[u8]) -> bool {
    /// The number of letters that an edit takes from each text. The last edit is a swap.
    const EDITS: [(usize, usize); 4] = [(0, 1), (1, 0), (1, 1), (2, 2)];
    let is_swapped = |one: &[u8], other: &[u8]| matches!((one, other), ([a, b], [c, d]) if a == d && b == c);
    if one.len().max(other.len()) <= MAX_DISTANCE {
        return true;
    }
    EDITS.iter().any(|&(of_one, of_other)| {
        let (Some((begin, one)), Some((other_begin, other))) =
            (one.split_at_checked(of_one), other.split_at_checked(of_other))
        else {
            return false;
        };
        if of_one == 2 && !is_swapped(begin, other_begin) {
            return false;
        }
        EDITS.iter().any(|&(of_one, of_other)| {
            let (Some(middle), Some(other_middle)) = (one.len().checked_sub(of_one), other.len().checked_sub(of_other))
            else {
                return false;
            };
            middle == other_middle
                && (of_one < 2 || is_swapped(from(one, middle), from(other, other_middle)))
                && until(one, middle) == until(other, other_middle)
        })
    })
}

fn from(text: &[u8], place: usize) -> &[u8] {
    text.get(place..).unwrap_or_default()
}

fn until(text: &[u8], place: usize) -> &[u8] {
    text.get(..place).unwrap_or_default()
}

/// Compares word by word, which is eight times as fast as letter by letter.
fn common_beginning(one: &[u8], other: &[u8]) -> usize {
    let ((words, _), (other_words, _)) = (one.as_chunks(), other.as_chunks());
    let same = words
        .iter()
        .zip(other_words)
        .take_while(|(word, other)| u64::from_le_bytes(**word) == u64::from_le_bytes(**other));
    let same = same.count() * 8;
    same + from(one, same).iter().zip(from(other, same)).take_while(|(letter, other)| letter == other).count()
}

fn common_end(one: &[u8], other: &[u8]) -> usize {
    let ((_, words), (_, other_words)) = (one.as_rchunks(), other.as_rchunks());
    let pairs = words.iter().rev().zip(other_words.iter().rev());
    let same = pairs.take_while(|(word, other)| u64::from_le_bytes(**word) == u64::from_le_bytes(**other)).count() * 8;
    let (one, other) = (until(one, one.len() - same), until(other, other.len() - same));
    same + one.iter().rev().zip(other.iter().rev()).take_while(|(letter, other)| letter == other).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_close(one: &str, other: &str) -> bool {
        Speller::new().is_close(one, other)
    }

    #[test]
    fn hosts_that_differ_by_one_or_two_letters_are_close() {
        for (one, other) in [
            ("app.example.com", "ap.example.com"),
            ("app.example.com", "app.exmaple.com"),
            ("app.example.com", "app.examlpe.con"),
            ("app.example.com", "xapp.example.comx"),
            ("app.example.com", "app.example.com"),
            ("a", "b"),
            ("ab", "cd"),
            ("ab", ""),
        ] {
            assert!(is_close(one, other) && is_close(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("app.example.com", "api.exmaple.con"),
            ("abc", "xyz"),
            ("abc", ""),
            ("app.example.com", "app.example.com.uk"),
        ] {
            assert!(!is_close(one, other) && !is_close(other, one), "{one} {other}");
        }
    }

    #[test]
    fn the_search_stops_at_its_budget() {
        // The longest hosts, with the same beginning and the same end.
        let host = "a".repeat(253);
        let other = format!("{}bbb{}", "a".repeat(125), "a".repeat(125));
        let (mut speller, mut looked) = (Speller::new(), 0);
        while speller.left > 0 {
            assert!(!speller.is_close(&host, &other));
            looked += 1;
        }
        assert!((100..1_000).contains(&looked), "{looked}");
        // The budget is used up, so nothing is compared or called close.
        assert!(!speller.is_close("app.example.com", "ap.example.com"));
        assert_eq!(speller.left, 0);
        // An ordinary list fits the budget.
        let mut speller = Speller::new();
        for number in 0..1_000 {
            let entry = format!("tenant-{number:04}.a-department.of.app.example.com");
            assert!(!speller.is_close("tenant-abcd.a-department.of.app.example.com", &entry));
        }
        assert!(speller.is_close("app.example.com", "ap.example.com"));
    }

    proptest! {
        #[test]
        fn the_answer_equals_the_full_edit_distance(one in "[ab.]{0,9}", other in "[ab.]{0,9}", rest in "[ab]{0,20}") {
            let (one, other) = (format!("{rest}{one}{rest}"), format!("{rest}{other}{rest}"));
            prop_assert_eq!(is_close(&one, &other), strsim::osa_distance(&one, &other) <= MAX_DISTANCE, "{} {}", one, other);
        }
    }
}
