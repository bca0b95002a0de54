//! `POST /v1/organizations/{organization}/access-keys` `{"name"}`: makes a test key, which is shown once.
//!
//! Answers 201 `{"id","environment","name","locator","value","receipt"}`. Errors: 404 `not_found`; 409 `already_done` and 422
//! `idempotency_key_reused`, by the header `Idempotency-Key`.

use super::operator_call::{NewName, OperatorCall};
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;
use crate::views::CreatedView;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let change = call.change()?;
    let NewName { name } = call.body().await?;
    let made = state.issuer.create(organization, name, &change).await.map_err(change_failed)?;
    answer::created(&CreatedView::from(&made))
}
