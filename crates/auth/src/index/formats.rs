//! The formats of imported secrets that a table may have.

use doorward_key::ImportFormat;

use super::sync::{AtomicU64, Ordering};

/// A set of formats that only grows, one bit for each. A writer adds the format before it publishes the secret.
#[derive(Default)]
pub(crate) struct ImportFormats(AtomicU64);

impl ImportFormats {
    pub(super) fn add(&self, format: Option<ImportFormat>) {
        if let Some(format) = format {
            self.0.fetch_or(bit(format), Ordering::Release);
        }
    }

    pub(super) fn add_all(&self, others: &Self) {
        self.0.fetch_or(others.0.load(Ordering::Acquire), Ordering::Release);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ImportFormat> + use<> {
        let bits = self.0.load(Ordering::Acquire);
        ImportFormat::ALL.into_iter().filter(move |format| bits & bit(*format) != 0)
    }
}

const fn bit(format: ImportFormat) -> u64 {
    1 << format as u64
}
