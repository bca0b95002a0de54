use std::error::Error;
use std::fmt::{self, Write};
use std::iter::successors;

/// Another program's text, made safe for one line of a log or a terminal: without control characters, without characters that
/// change the direction of writing, and cut to a maximum length.
///
/// ```
/// use doorward_types::Foreign;
///
/// assert_eq!(Foreign::new("a\n2026 INFO forged").to_string(), "a\\n2026 INFO forged");
/// assert_eq!(Foreign::new("x".repeat(201)).to_string(), format!("{}… (1 byte more)", "x".repeat(200)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Foreign<T> {
    text: T,
    most: usize,
}

impl Foreign<()> {
    /// The default maximum length in bytes: about a sentence.
    pub const MAX_CHARS: usize = 200;
}

impl<T: fmt::Display> Foreign<T> {
    /// Shows at most [`Foreign::MAX_CHARS`] bytes of the text.
    pub const fn new(text: T) -> Self {
        Self::within(text, Foreign::MAX_CHARS)
    }

    /// Shows at most `most` bytes of the text.
    pub const fn within(text: T, most: usize) -> Self {
        Self { text, most }
    }
}

impl<T: fmt::Display> fmt::Display for Foreign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = Cut { out: f, left: self.most, dropped: 0 };
        write!(cut, "{}", self.text)?;
        match cut.dropped {
            0 => Ok(()),
            1 => f.write_str("… (1 byte more)"),
            dropped => write!(f, "… ({dropped} bytes more)"),
        }
    }
}

/// Passes harmless characters on, escapes the others, and counts the bytes beyond the limit.
struct Cut<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    left: usize,
    dropped: usize,
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let length = character.len_utf8();
            if self.dropped > 0 || length > self.left {
                self.dropped += length;
                continue;
            }
            self.left -= length;
            match character {
                '\n' | '\r' | '\t' => write!(self.out, "{}", character.escape_default())?,
                other if is_harmful(other) => write!(self.out, "{}", other.escape_unicode())?,
                other => self.out.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Returns whether this is a control character, a line or paragraph separator, or a bidirectional control (Unicode Standard Annex
/// 9).
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Displays an error and all its sources on one line.
#[derive(Clone, Copy, Debug)]
pub struct Causes<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        successors(self.0.source(), |cause| (**cause).source()).try_for_each(|cause| write!(f, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_breaks_no_line_and_controls_no_terminal() {
        let hostile = "a\r\nb\u{2028}c\u{2029}d\u{202e}e\u{1b}[31mf\u{85}g\0h\u{feff}";
        let shown = Foreign::new(hostile).to_string();
        assert_eq!(shown, r"a\r\nb\u{2028}c\u{2029}d\u{202e}e\u{1b}[31mf\u{85}g\u{0}h\u{feff}");
        assert_eq!(
            Foreign::new("Zoë 東京 🔑 \\ \"").to_string(),
            "Zoë 東京 🔑 \\ \"",
            "what is harmless stays as it is"
        );
    }

    #[test]
    fn foreign_text_is_cut_between_characters() {
        assert_eq!(Foreign::within("東京", 5).to_string(), "東… (3 bytes more)");
        assert_eq!(Foreign::within("東京x", 3).to_string(), "東… (4 bytes more)");
        assert_eq!(Foreign::within("東京", 6).to_string(), "東京");
        let page = "y".repeat(1_000_000);
        assert!(Foreign::new(page).to_string().len() < 250);
    }
}
