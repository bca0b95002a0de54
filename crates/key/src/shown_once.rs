use std::fmt;

use zeroize::Zeroize;

/// A secret text on its way to the one answer that shows it.
///
/// It has no `Display`, `Serialize` or `Clone`, its `Debug` tells nothing, and its memory is wiped on drop.
pub struct ShownOnce(Vec<u8>);

impl ShownOnce {
    pub(crate) const fn new(text: Vec<u8>) -> Self {
        Self(text)
    }

    /// The text itself. Whoever calls this writes it into the one answer that shows it, and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for ShownOnce {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOnce(…)")
    }
}
