//! Findings after a restore, with the changes made, as one JSON document.

use doorward::api::views::Value;
use doorward::auth::Receipt;
use doorward::auth::restore::{
    Findings, Gone, GoneOperator, GoneOrganization, GoneOrigin, GoneSecret, KilledKey, RevivedKey, RevivedOperator,
    RevivedOrganization, RevivedOrigin, RevivedPasskey, RevokedSecret,
};
use doorward::store::Secret;
use doorward::types::{
    AccessKeyId, ActorName, AllowedOriginId, Environment, Locator, Name, OperatorId, OrganizationId, SecretState,
    Timestamp,
};
use serde::Serialize;

use super::changes::Done;
use super::events::Told;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    incarnation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_sessions: Option<u64>,
    events: Events,
    keys: Vec<KeyView<'a>>,
    operators: Vec<OperatorView<'a>>,
    passkeys: Vec<PasskeyView<'a>>,
    origins: Vec<OriginView<'a>>,
    organizations: Vec<OrganizationView<'a>>,
    gone: GoneView<'a>,
    uncertain: Vec<String>,
}

#[derive(Serialize)]
struct Events {
    read: u64,
    missing: u64,
    unreadable: u64,
}

#[derive(Serialize)]
struct Named<'a, Id> {
    id: Id,
    name: &'a Name,
}

#[derive(Serialize)]
struct KeyView<'a> {
    organization: Named<'a, OrganizationId>,
    environment: Environment,
    id: AccessKeyId,
    name: &'a Name,
    dead: Vec<DeadView<'a>>,
    remedy: &'static str,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
struct DeadView<'a> {
    locator: Locator,
    generation: u32,
    state: SecretState,
    died_at: Timestamp,
    killed_by: &'a ActorName,
}

#[derive(Serialize)]
struct OperatorView<'a> {
    id: OperatorId,
    name: &'a Name,
    removed_at: Timestamp,
    removed_by: &'a ActorName,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
struct PasskeyView<'a> {
    operator: Named<'a, OperatorId>,
    id: &'a str,
    name: &'a Name,
    removed_at: Timestamp,
    removed_by: &'a ActorName,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
struct OriginView<'a> {
    organization: Named<'a, OrganizationId>,
    id: AllowedOriginId,
    origin: String,
    removed_at: Timestamp,
    removed_by: &'a ActorName,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
struct OrganizationView<'a> {
    id: OrganizationId,
    name: &'a Name,
    remedy: &'static str,
    changed_at: Timestamp,
    changed_by: &'a ActorName,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

/// The outcome of a change; empty if it was not tried.
#[derive(Default, Serialize)]
struct Outcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locator: Option<Locator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> Outcome<'a> {
    fn of<T>(done: Option<&'a Result<T, String>>, filled: impl FnOnce(&'a T) -> Self) -> Self {
        match done {
            None => Self::default(),
            Some(Ok(done)) => Self { done: Some(true), ..filled(done) },
            Some(Err(error)) => Self { done: Some(false), error: Some(error), ..Self::default() },
        }
    }

    fn of_key(killed: &'a KilledKey) -> Self {
        let (secret, value) = (killed.secret.as_ref(), killed.value.as_ref().map(Value));
        let (locator, generation) = (secret.map(|secret| secret.locator), secret.map(|secret| secret.generation));
        Self { locator, generation, value, receipt: Some(killed.receipt), ..Self::default() }
    }
}

#[derive(Serialize)]
struct GoneView<'a> {
    organizations: Vec<GoneRecord<'a, OrganizationId>>,
    secrets: Vec<GoneSecretView<'a>>,
    operators: Vec<GoneRecord<'a, OperatorId>>,
    origins: Vec<GoneOriginView>,
}

#[derive(Serialize)]
struct GoneRecord<'a, Id> {
    id: Id,
    name: Option<&'a Name>,
    made_at: Timestamp,
}

#[derive(Serialize)]
struct GoneSecretView<'a> {
    organization: OrganizationId,
    environment: Environment,
    key: AccessKeyId,
    name: Option<&'a Name>,
    locator: Locator,
    made_at: Timestamp,
}

#[derive(Serialize)]
struct GoneOriginView {
    organization: OrganizationId,
    origin: String,
    made_at: Timestamp,
}

impl<'a> Document<'a> {
    pub(super) fn new(told: &'a Told, done: &'a Done) -> Self {
        let Told { findings, unreadable, named } = told;
        let Findings { read, missing, keys, operators, passkeys, origins, organizations, gone, uncertain, .. } =
            findings;
        let key = |(number, revived): (usize, &'a RevivedKey)| KeyView {
            organization: Named { id: revived.key.organization, name: &revived.organization_name },
            environment: revived.key.environment,
            id: revived.key.id,
            name: &revived.key.name,
            dead: revived.dead.iter().map(dead).collect(),
            remedy: revived.remedy.as_str(),
            outcome: Outcome::of(done.keys.get(number), Outcome::of_key),
        };
        let operator = |(number, revived): (usize, &'a RevivedOperator)| OperatorView {
            id: revived.operator.id,
            name: &revived.operator.name,
            removed_at: revived.removed_at,
            removed_by: &revived.removed_by,
            outcome: Outcome::of(done.operators.get(number), |()| Outcome::default()),
        };
        let passkey = |(number, revived): (usize, &'a RevivedPasskey)| PasskeyView {
            operator: Named { id: revived.operator.id, name: &revived.operator.name },
            id: &revived.passkey.id,
            name: &revived.passkey.name,
            removed_at: revived.removed_at,
            removed_by: &revived.removed_by,
            outcome: Outcome::of(done.passkeys.get(number), |()| Outcome::default()),
        };
        let origin = |(number, revived): (usize, &'a RevivedOrigin)| OriginView {
            organization: Named { id: revived.entry.organization, name: &revived.organization_name },
            id: revived.entry.id,
            origin: revived.entry.origin.to_string(),
            removed_at: revived.removed_at,
            removed_by: &revived.removed_by,
            outcome: Outcome::of(done.origins.get(number), |receipt| Outcome {
                receipt: Some(*receipt),
                ..Outcome::default()
            }),
        };
        let organization = |(number, revived): (usize, &'a RevivedOrganization)| OrganizationView {
            id: revived.organization.id,
            name: &revived.organization.name,
            remedy: if revived.was_closed { "close" } else { "suspend" },
            changed_at: revived.changed_at,
            changed_by: &revived.changed_by,
            outcome: Outcome::of(done.organizations.get(number), |receipt| Outcome {
                receipt: Some(*receipt),
                ..Outcome::default()
            }),
        };
        Self {
            incarnation: done.restored.map(|restored| restored.incarnation.0),
            ended_sessions: done.restored.map(|restored| restored.ended_sessions),
            events: Events { read: *read, missing: *missing, unreadable: *unreadable },
            keys: keys.iter().enumerate().map(key).collect(),
            operators: operators.iter().enumerate().map(operator).collect(),
            passkeys: passkeys.iter().enumerate().map(passkey).collect(),
            origins: origins.iter().enumerate().map(origin).collect(),
            organizations: organizations.iter().enumerate().map(organization).collect(),
            gone: GoneView::of(gone),
            uncertain: named.iter().cloned().chain(uncertain.iter().map(ToString::to_string)).collect(),
        }
    }
}

fn dead(dead: &RevokedSecret) -> DeadView<'_> {
    let Secret { locator, generation, state, .. } = dead.secret;
    DeadView { locator, generation, state, died_at: dead.died_at, killed_by: &dead.killed_by }
}

impl<'a> GoneView<'a> {
    fn of(gone: &'a Gone) -> Self {
        let Gone { organizations, secrets, operators, origins, .. } = gone;
        let organization = |GoneOrganization { id, name, made_at, .. }: &'a GoneOrganization| GoneRecord {
            id: *id,
            name: name.as_ref(),
            made_at: *made_at,
        };
        let operator = |GoneOperator { id, name, made_at, .. }: &'a GoneOperator| GoneRecord {
            id: *id,
            name: name.as_ref(),
            made_at: *made_at,
        };
        let secret = |gone: &'a GoneSecret| GoneSecretView {
            organization: gone.organization,
            environment: gone.environment,
            key: gone.key,
            name: gone.key_name.as_ref(),
            locator: gone.locator,
            made_at: gone.made_at,
        };
        let origin = |gone: &GoneOrigin| GoneOriginView {
            organization: gone.organization,
            origin: gone.origin.to_string(),
            made_at: gone.made_at,
        };
        Self {
            organizations: organizations.iter().map(organization).collect(),
            secrets: secrets.iter().map(secret).collect(),
            operators: operators.iter().map(operator).collect(),
            origins: origins.iter().map(origin).collect(),
        }
    }
}

/// A line of JSON with the value of a production key that was regenerated.
#[derive(Serialize)]
pub(super) struct NewValue<'a> {
    organization: Named<'a, OrganizationId>,
    id: AccessKeyId,
    locator: Locator,
    generation: u32,
    value: Value<'a>,
}

impl<'a> NewValue<'a> {
    /// Returns none if no secret was minted.
    pub(super) fn of(revived: &'a RevivedKey, killed: &'a KilledKey) -> Option<Self> {
        let Secret { locator, generation, .. } = killed.secret?;
        let organization = Named { id: revived.key.organization, name: &revived.organization_name };
        Some(Self { organization, id: revived.key.id, locator, generation, value: Value(killed.value.as_ref()?) })
    }
}
