//! Changes for the tests.

use doorward_audit::{Action, Attribution, EventDraft};
use doorward_key::{Digest, KeyPrefix};
use doorward_store::{
    AccessKey, Change, ChangeContext, KeyRef, OperationId, Organization, RequestHash, Secret, Successor,
};
use doorward_types::{AccessKeyId, Environment, OrganizationId, SecretState, Timestamp};

/// Returns a change that adds an organization with this number.
pub(crate) fn provision(number: u128) -> (Change, ChangeContext) {
    let (organization, at) = (OrganizationId::from_u128(number), Timestamp::from_millis(0));
    let key = AccessKey::new(
        organization,
        Environment::Production,
        AccessKeyId::from_u128(number),
        Environment::Production.into(),
        at,
        "ada".parse().unwrap(),
    );
    let organization = Organization::new(organization, "Acme".parse().unwrap(), at);
    let change = Change::Provision {
        organization,
        key,
        secret: secret(number, 1),
        only_if_empty: false,
        allow_duplicate_name: true,
    };
    (change, context(number, number))
}

/// Returns a change that replaces an organization's first secret.
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
    Secret::new(
        SecretState::Current,
        format!("{number:010}").parse().unwrap(),
        Digest::from_bytes([7; 32]),
        generation,
        Timestamp::from_millis(0),
    )
}

fn context(organization: u128, operation: u128) -> ChangeContext {
    let event = EventDraft::new(
        &Attribution::local("ada".parse().unwrap()),
        Timestamp::from_millis(0),
        Action::AccessKeyCreated,
        AccessKeyId::from_u128(organization).to_string(),
        (OrganizationId::from_u128(organization), Environment::Production),
    );
    let operation = OperationId::from_bytes(operation.to_be_bytes());
    ChangeContext::new(operation, event.into(), RequestHash::of([]), KeyPrefix::default())
}
