//! Reports of leaked keys from outside.

use std::sync::Arc;

use doorward::api::Part;
use doorward::api::secret_scanning::PartnerKeys;
use doorward::api::secret_scanning::client::{Client, Endpoint};
use doorward::auth::Core;

/// Returns the keys by which GitHub signs reports, if the server takes them.
pub(crate) fn partner_keys(url: Option<Endpoint>, core: &Core) -> anyhow::Result<Option<PartnerKeys>> {
    let keys = |url| Ok(PartnerKeys::new(Client::new()?, url, Arc::clone(core.clock())));
    url.map(keys).transpose()
}

/// Returns the parts of the API, with reports of leaked keys or without.
pub(crate) fn parts(with_reports: bool) -> Vec<Part> {
    Part::ALL.into_iter().filter(|part| with_reports || *part != Part::Leaks).collect()
}
