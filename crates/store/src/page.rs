/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page<K> {
    /// The last key before the page, in the list's order.
    pub after: Option<K>,
    /// The maximum number of rows.
    pub limit: u32,
}

impl<K> Page<K> {
    /// Returns the first page.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}
