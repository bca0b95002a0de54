//! Endpoints behind an operator's token.

mod add_origin;
mod check_origin;
mod checkpoint;
mod close_organization;
mod create_key;
mod create_organization;
mod delete_key;
mod export_events;
mod list_connectors;
mod list_events;
mod list_keys;
mod list_organizations;
mod list_origins;
mod operator_call;
mod preview_regeneration;
mod put_connector;
mod read_organization;
mod regenerate_key;
mod release_key;
mod remove_connector;
mod remove_origin;
mod resume_organization;
mod stage_key;
mod suspend_organization;
mod unstage_key;
mod update_key;
mod update_organization;

pub(crate) use self::operator_call::OperatorCall;

impl OperatorAction {
    /// Returns whether a visitor may carry it out in the visitor's own organization. Each new action is decided here. The core
    /// decides the same once more, by the visitor's principal.
    #[must_use]
    pub const fn is_for_visitors(self) -> bool {
        match self {
            Self::AddOrigin
            | Self::CheckOrigin
            | Self::Checkpoint
            | Self::CreateKey
            | Self::DeleteKey
            | Self::ExportEvents
            | Self::ListConnectors
            | Self::ListEvents
            | Self::ListKeys
            | Self::ListOrigins
            | Self::PreviewRegeneration
            | Self::PutConnector
            | Self::ReadOrganization
            | Self::RegenerateKey
            | Self::RemoveConnector
            | Self::RemoveOrigin
            | Self::StageKey
            | Self::UnstageKey
            | Self::UpdateKey => true,
            // The life of an account is the service's own affair, and so is the decision about a key that was reported as leaked.
            Self::CloseOrganization
            | Self::CreateOrganization
            | Self::ListOrganizations
            | Self::ReleaseKey
            | Self::ResumeOrganization
            | Self::SuspendOrganization
            | Self::UpdateOrganization => false,
        }
    }
}

crate::actions::actions! {
    /// The actions of an operator.
    OperatorAction, OperatorCall<'_>:
    AddOrigin => add_origin::handle,
    CheckOrigin => check_origin::handle,
    Checkpoint => checkpoint::handle,
    CloseOrganization => close_organization::handle,
    CreateKey => create_key::handle,
    CreateOrganization => create_organization::handle,
    DeleteKey => delete_key::handle,
    ExportEvents => export_events::handle,
    ListConnectors => list_connectors::handle,
    ListEvents => list_events::handle,
    ListKeys => list_keys::handle,
    ListOrganizations => list_organizations::handle,
    ListOrigins => list_origins::handle,
    PreviewRegeneration => preview_regeneration::handle,
    PutConnector => put_connector::handle,
    ReadOrganization => read_organization::handle,
    RegenerateKey => regenerate_key::handle,
    ReleaseKey => release_key::handle,
    RemoveConnector => remove_connector::handle,
    RemoveOrigin => remove_origin::handle,
    ResumeOrganization => resume_organization::handle,
    StageKey => stage_key::handle,
    SuspendOrganization => suspend_organization::handle,
    UnstageKey => unstage_key::handle,
    UpdateKey => update_key::handle,
    UpdateOrganization => update_organization::handle,
}
