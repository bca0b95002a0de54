//! Endpoints behind an operator's token.

mod add_origin;
mod check_origin;
mod checkpoint;
mod create_key;
mod create_organization;
mod delete_key;
mod export_events;
mod input;
mod list_connectors;
mod list_events;
mod list_keys;
mod list_organizations;
mod list_origins;
mod put_connector;
mod read_organization;
mod regenerate_key;
mod remove_connector;
mod remove_origin;
mod stage_key;
mod unstage_key;

use doorward_auth::OperatorPrincipal;
use matchit::Params;

use crate::answer::Answer;
use crate::call::Call;
use crate::state::State;

/// The actions of an operator.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is named as its file, which documents it")]
pub enum OperatorAction {
    AddOrigin,
    CheckOrigin,
    Checkpoint,
    CreateKey,
    CreateOrganization,
    DeleteKey,
    ExportEvents,
    ListConnectors,
    ListEvents,
    ListKeys,
    ListOrganizations,
    ListOrigins,
    PutConnector,
    ReadOrganization,
    RegenerateKey,
    RemoveConnector,
    RemoveOrigin,
    StageKey,
    UnstageKey,
}

pub(crate) async fn answer(
    state: &State,
    action: OperatorAction,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    match action {
        OperatorAction::AddOrigin => add_origin::handle(state, management, params, call).await,
        OperatorAction::CheckOrigin => check_origin::handle(state, management, params, call).await,
        OperatorAction::Checkpoint => checkpoint::handle(state, management, params, &call).await,
        OperatorAction::CreateKey => create_key::handle(state, management, params, call).await,
        OperatorAction::CreateOrganization => create_organization::handle(state, management, call).await,
        OperatorAction::DeleteKey => delete_key::handle(state, management, params, &call).await,
        OperatorAction::ExportEvents => export_events::handle(state, management, params, &call).await,
        OperatorAction::ListConnectors => list_connectors::handle(state, management, params, &call).await,
        OperatorAction::ListEvents => list_events::handle(state, management, params, &call).await,
        OperatorAction::ListKeys => list_keys::handle(state, management, params).await,
        OperatorAction::ListOrganizations => list_organizations::handle(state, management, &call).await,
        OperatorAction::ListOrigins => list_origins::handle(state, management, params).await,
        OperatorAction::PutConnector => put_connector::handle(state, management, params, call).await,
        OperatorAction::ReadOrganization => read_organization::handle(state, management, params).await,
        OperatorAction::RegenerateKey => regenerate_key::handle(state, management, params, call).await,
        OperatorAction::RemoveConnector => remove_connector::handle(state, management, params, &call).await,
        OperatorAction::RemoveOrigin => remove_origin::handle(state, management, params, &call).await,
        OperatorAction::StageKey => stage_key::handle(state, management, params, call).await,
        OperatorAction::UnstageKey => unstage_key::handle(state, management, params, &call).await,
    }
}
