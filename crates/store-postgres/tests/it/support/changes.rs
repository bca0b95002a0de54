//! Changes to make.

use doorward_audit::{Action, Detail, EventDraft};
use doorward_key::{Digest, KeyPrefix};
use doorward_store::{
    AccessKey, Change, ChangeContext, KeyRef, OperationId, Organization, RequestHash, Secret, Successor,
};
use doorward_types::{AccessKeyId, Environment, OrganizationId, SecretState, Timestamp};

/// A change that adds an organization with this number.
pub(crate) fn provision(number: u128) -> (Change, ChangeContext) {
    let (organization, at) = (OrganizationId::from_u128(number), Timestamp::from_millis(0));
    let key = AccessKey {
        id: AccessKeyId::from_u128(number),
        organization,
        environment: Environment::Production,
        name: Environment::Production.into(),
        created_at: at,
        created_by: "ada".parse().unwrap(),
    };
    let organization = Organization { id: organization, name: "Acme".parse().unwrap(), created_at: at };
    let change = Change::Provision { organization, key, secret: secret(number, 1), only_if_empty: false };
    (change, context(number, number))
}

/// A change that puts a fresh secret in the place of an organization's first.
pub(crate) fn regenerate(number: u128, old: u128, new: u128, generation: u32) -> (Change, ChangeContext) {
    let key = KeyRef {
        organization: OrganizationId::from_u128(number),
        environment: Environment::Production,
        id: AccessKeyId::from_u128(number),
    };
    let (retired, successor) = (vec![secret(old, 1).locator], Successor::Fresh(secret(new, generation)));
    (Change::Regenerate { key, retired, successor }, context(number, new))
}

pub(crate) fn secret(number: u128, generation: u32) -> Secret {
    Secret {
        locator: format!("{number:010}").parse().unwrap(),
        digest: Digest::from_bytes([7; 32]),
        generation,
        state: SecretState::Current,
        created_at: Timestamp::from_millis(0),
    }
}

fn context(organization: u128, operation: u128) -> ChangeContext {
    let event = EventDraft {
        time: Timestamp::from_millis(0),
        actor: "ada".parse().unwrap(),
        actor_id: None,
        action: Action::AccessKeyCreated,
        subject: AccessKeyId::from_u128(organization).to_string(),
        organization: OrganizationId::from_u128(organization),
        environment: Environment::Production,
        source_address: None,
        request_id: None,
        detail: Detail::default(),
    };
    let operation = OperationId::from_bytes(operation.to_be_bytes());
    ChangeContext::new(operation, event.into(), RequestHash::of([]), KeyPrefix::default())
}
