use zeroize::Zeroize;

/// A secret text on its way to the only answer that shows it.
///
/// It has no `Display`, `Serialize` or `Clone`. Its `Debug` shows nothing, and its memory is wiped on drop.
pub struct ShownOnce(Vec<u8>);

impl ShownOnce {
    pub(crate) const fn new(text: Vec<u8>) -> Self {
        Self(text)
    }

    /// Returns the text. Write it only into the answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        // The constructor is only called with ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for ShownOnce {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

doorward_types::debug_as!(ShownOnce, "ShownOnce(…)");
