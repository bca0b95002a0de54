//! `doorward key new`: a key that is made away from any store.

use doorward::api::views::Value;
use doorward::key::{FreshKey, KeyPrefix, OfferedKey, SystemRandom};
use doorward::types::Environment;
use serde::Serialize;

use crate::failure::CliError;
use crate::output::Output;

#[derive(Serialize)]
struct NewKeyView<'a> {
    environment: Environment,
    locator: String,
    /// The part that a store gets of the key: `LOCATOR:SHA256`.
    digest: String,
    value: Value<'a>,
}

pub(crate) fn run(environment: Environment, prefix: &KeyPrefix, output: &Output) -> Result<(), CliError> {
    let fresh = FreshKey::generate(prefix, environment, &SystemRandom);
    let fresh = fresh.map_err(|error| CliError::failed(error.to_string()))?;
    let (locator, digest) = (fresh.locator().to_string(), OfferedKey::of(&fresh).to_string());
    output.remark(&digest);
    let value = fresh.value();
    let view = NewKeyView { environment, locator, digest: digest.clone(), value: Value(value) };
    output.value_or(&view, &digest, ("DOORWARD_ACCESS_KEY", value.expose()))
}
