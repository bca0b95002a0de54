//! `POST /v1/organizations` `{"name"}`: makes an organization with its production key, which is shown once.
//!
//! Answers 201 `{"id","name","created_at","production_key":{"id","locator","value"},"receipt"}`. Errors: 409
//! `already_done` and 422 `idempotency_key_reused`, by the header `Idempotency-Key`.

use doorward_auth::OperatorPrincipal;

use super::input::NewName;
use crate::answer::{self, Answer};
use crate::body;
use crate::call::Call;
use crate::problem::change_failed;
use crate::shapes::ProvisionedShape;
use crate::state::State;

pub(super) async fn handle(state: &State, management: &OperatorPrincipal, call: Call) -> Answer {
    let request = call.change_request(management)?;
    let NewName { name } = body::json(state, call).await?;
    let made = state.issuer.provision(name, &request).await.map_err(change_failed)?;
    answer::created(&ProvisionedShape::from(&made))
}
