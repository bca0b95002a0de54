//! The JSON shapes of `docs/http-api.md`, which the API answers with and the command line prints.

use std::fmt;

use doorward_audit::{Checkpoint, NoteKey, Unproved, VerifiedLog};
use doorward_auth::{Created, CurrentValue, Principal, Provisioned, Receipt, Regenerated, Staged, rotation_due_at};
use doorward_key::{OpaqueToken, ShownOnce};
use doorward_origin::{AllowedOrigin, Refusal};
use doorward_records::{Credential, RegisteredUser, ToolCall};
use doorward_store::{
    AccessKeyWithSecrets, LostChange, Operator, Organization, OriginEntry, Secret, SecretUsage, SinkState,
};
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, Incarnation, Locator, Name, OperatorId, OrganizationId,
    RegisteredUserId, SecretState, Timestamp, ToolCallId,
};
use serde::{Serialize, Serializer};

/// A value in the one answer that shows it: the only serialization of one.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(pub &'a ShownOnce);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The rows.
    pub data: Vec<T>,
    /// What to ask for the next page with; none on the last one.
    pub next_cursor: Option<String>,
}

/// `GET /v1/whoami`.
#[derive(Debug, Serialize)]
pub struct WhoAmI<'a> {
    organization: Named<'a, OrganizationId>,
    environment: Environment,
    key: WhichKey<'a>,
}

#[derive(Debug, Serialize)]
struct Named<'a, Id> {
    id: Id,
    name: &'a Name,
}

#[derive(Debug, Serialize)]
struct WhichKey<'a> {
    id: AccessKeyId,
    name: &'a Name,
    locator: Locator,
    generation: u32,
}

impl<'a> From<&'a Principal> for WhoAmI<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self {
            organization: Named { id: principal.organization_id(), name: principal.organization_name() },
            environment: principal.environment(),
            key: WhichKey {
                id: principal.key_id(),
                name: principal.key_name(),
                locator: principal.locator(),
                generation: principal.generation(),
            },
        }
    }
}

/// A signed checkpoint of an audit log.
#[derive(Debug, Serialize)]
pub struct CheckpointShape {
    /// Which log.
    pub origin: String,
    /// How many events it has.
    pub size: u64,
    root: String,
    #[serde(skip_serializing_if = "Incarnation::is_first")]
    incarnation: Incarnation,
    /// The signed note, to be kept elsewhere.
    pub checkpoint: String,
    /// What verifies it.
    pub verifier_key: String,
}

impl CheckpointShape {
    /// The checkpoint of a log that was verified, signed.
    ///
    /// # Errors
    ///
    /// [`Unproved`], if the log's beginning is gone and nobody vouches for that.
    pub fn new(verified: &VerifiedLog, key: &NoteKey) -> Result<Self, Unproved> {
        let Checkpoint { origin, size, root, incarnation } = verified.checkpoint();
        Ok(Self {
            origin: origin.clone(),
            size: *size,
            root: root.to_string(),
            incarnation: *incarnation,
            checkpoint: verified.sign(key)?,
            verifier_key: key.verifier(origin).to_string(),
        })
    }
}

/// An entry of a list of allowed origins.
#[derive(Debug, Serialize)]
pub struct AllowedOriginShape {
    id: AllowedOriginId,
    origin: AllowedOrigin,
    created_at: Timestamp,
    created_by: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

impl AllowedOriginShape {
    /// An entry, with the receipt where it is new.
    #[must_use]
    pub fn new(entry: &OriginEntry, receipt: Option<Receipt>) -> Self {
        let OriginEntry { id, origin, created_at, created_by, .. } = entry.clone();
        Self { id, origin, created_at, created_by, receipt }
    }
}

/// Whether a callback may go to a URL.
#[derive(Debug, Serialize)]
pub struct OriginCheckShape {
    allowed: bool,
    /// The entry that allows it, or the origin that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl OriginCheckShape {
    /// What a list said.
    #[must_use]
    pub fn new(checked: &Result<AllowedOrigin, Refusal>) -> Self {
        match checked {
            Ok(entry) => Self { allowed: true, origin: Some(entry.to_string()), reason: None },
            Err(refusal) => {
                let seen = match refusal {
                    Refusal::NotListed { seen, .. } => Some(seen.to_string()),
                    _ => None,
                };
                Self { allowed: false, origin: seen, reason: Some(refusal.to_string()) }
            }
        }
    }
}

/// How far a sink has come that audit events are shipped to.
#[derive(Debug, Serialize)]
pub struct SinkShape {
    /// What the servers' configuration calls it.
    pub name: Name,
    /// Everything up to here has arrived.
    pub position: u64,
    /// How many events have not.
    pub behind: u64,
    /// When the oldest of them was written.
    pub behind_since: Option<Timestamp>,
    /// Whether a node ships to it.
    pub held: bool,
}

impl From<SinkState> for SinkShape {
    fn from(sink: SinkState) -> Self {
        let SinkState { name, position, holder, behind, behind_since, .. } = sink;
        Self { name, position, behind, behind_since, held: holder.is_some() }
    }
}

/// A change that the store lost.
#[derive(Debug, Serialize)]
pub struct LostChangeShape {
    revision: u64,
    operation: String,
    accepted: bool,
}

impl From<&LostChange> for LostChangeShape {
    fn from(lost: &LostChange) -> Self {
        let LostChange { change, accepted } = lost;
        Self { revision: change.revision.0, operation: change.operation.to_string(), accepted: *accepted }
    }
}

/// An organization.
#[derive(Debug, Serialize)]
pub struct OrganizationShape {
    id: OrganizationId,
    name: Name,
    created_at: Timestamp,
}

impl From<Organization> for OrganizationShape {
    fn from(organization: Organization) -> Self {
        let Organization { id, name, created_at } = organization;
        Self { id, name, created_at }
    }
}

/// A new organization, with the one showing of its production key.
#[derive(Debug, Serialize)]
pub struct ProvisionedShape<'a> {
    id: OrganizationId,
    name: &'a Name,
    created_at: Timestamp,
    production_key: NewKey<'a>,
    receipt: Receipt,
}

#[derive(Debug, Serialize)]
struct NewKey<'a> {
    id: AccessKeyId,
    locator: Locator,
    value: Value<'a>,
}

impl<'a> From<&'a Provisioned> for ProvisionedShape<'a> {
    fn from(made: &'a Provisioned) -> Self {
        Self {
            id: made.organization.id,
            name: &made.organization.name,
            created_at: made.organization.created_at,
            production_key: NewKey { id: made.key.id, locator: made.secret.locator, value: Value(&made.value) },
            receipt: made.receipt,
        }
    }
}

/// A new test key, with the one showing of its value.
#[derive(Debug, Serialize)]
pub struct CreatedShape<'a> {
    id: AccessKeyId,
    environment: Environment,
    name: &'a Name,
    locator: Locator,
    value: Value<'a>,
    receipt: Receipt,
}

impl<'a> From<&'a Created> for CreatedShape<'a> {
    fn from(made: &'a Created) -> Self {
        Self {
            id: made.key.id,
            environment: made.key.environment,
            name: &made.key.name,
            locator: made.secret.locator,
            value: Value(&made.value),
            receipt: made.receipt,
        }
    }
}

/// A staged production key, with the one showing of its value.
#[derive(Debug, Serialize)]
pub struct StagedShape<'a> {
    locator: Locator,
    generation: u32,
    value: Value<'a>,
    receipt: Receipt,
}

impl<'a> From<&'a Staged> for StagedShape<'a> {
    fn from(staged: &'a Staged) -> Self {
        let Secret { locator, generation, .. } = staged.secret;
        Self { locator, generation, value: Value(&staged.value), receipt: staged.receipt }
    }
}

/// A regenerated production key; its value only where it was not shown before.
#[derive(Debug, Serialize)]
pub struct RegeneratedShape<'a> {
    locator: Locator,
    generation: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value<'a>>,
    receipt: Receipt,
}

impl<'a> From<&'a Regenerated> for RegeneratedShape<'a> {
    fn from(regenerated: &'a Regenerated) -> Self {
        let Secret { locator, generation, .. } = regenerated.secret;
        let value = match &regenerated.value {
            CurrentValue::Fresh(value) => Some(Value(value)),
            CurrentValue::Promoted => None,
        };
        Self { locator, generation, value, receipt: regenerated.receipt }
    }
}

/// An access key with its secrets.
#[derive(Debug, Serialize)]
pub struct AccessKeyShape {
    id: AccessKeyId,
    environment: Environment,
    name: Name,
    created_at: Timestamp,
    created_by: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_due_at: Option<Timestamp>,
    secrets: Vec<SecretShape>,
}

#[derive(Debug, Serialize)]
struct SecretShape {
    locator: Locator,
    generation: u32,
    state: SecretState,
    created_at: Timestamp,
    /// None where it never was.
    last_used_at: Option<Timestamp>,
    uses_last_hour: u64,
}

impl AccessKeyShape {
    /// A key, with what is known of its secrets' use.
    #[must_use]
    pub fn new(found: AccessKeyWithSecrets, usage: &[SecretUsage]) -> Self {
        let AccessKeyWithSecrets { key, secrets, .. } = found;
        Self {
            rotation_due_at: rotation_due_at(key.environment, &secrets),
            id: key.id,
            environment: key.environment,
            name: key.name,
            created_at: key.created_at,
            created_by: key.created_by,
            secrets: secrets
                .into_iter()
                .map(|Secret { locator, generation, state, created_at, .. }| {
                    let usage = usage.iter().find(|usage| usage.locator == locator);
                    let last_used_at = usage.map(|usage| usage.last_used_at);
                    let uses_last_hour = usage.map_or(0, |usage| usage.uses_last_hour);
                    SecretShape { locator, generation, state, created_at, last_used_at, uses_last_hour }
                })
                .collect(),
        }
    }
}

/// A registered user.
#[derive(Debug, Serialize)]
pub struct RegisteredUserShape {
    id: RegisteredUserId,
    origin_user_id: Name,
    origin_user_name: Option<Name>,
    created_at: Timestamp,
}

impl From<RegisteredUser> for RegisteredUserShape {
    fn from(user: RegisteredUser) -> Self {
        let RegisteredUser { id, origin_user_id, origin_user_name, created_at } = user;
        Self { id, origin_user_id, origin_user_name, created_at }
    }
}

/// A call of a tool.
#[derive(Debug, Serialize)]
pub struct ToolCallShape {
    id: ToolCallId,
    tool: Name,
    connector: Option<String>,
    registered_user_id: Option<RegisteredUserId>,
    access_key_id: AccessKeyId,
    began_at: Timestamp,
    ended_at: Option<Timestamp>,
    outcome: &'static str,
}

impl From<ToolCall> for ToolCallShape {
    fn from(call: ToolCall) -> Self {
        let ToolCall { id, tool, connector, registered_user, access_key, began_at, ended_at, outcome } = call;
        Self {
            id,
            tool,
            connector: connector.map(|name| name.to_string()),
            registered_user_id: registered_user,
            access_key_id: access_key,
            began_at,
            ended_at,
            outcome: outcome.as_str(),
        }
    }
}

/// What may be known of a credential: never the secret.
#[derive(Debug, Serialize)]
pub struct CredentialShape {
    registered_user_id: RegisteredUserId,
    connector: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Credential> for CredentialShape {
    fn from(credential: Credential) -> Self {
        Self {
            registered_user_id: credential.registered_user,
            connector: credential.connector.to_string(),
            created_at: credential.created_at,
            updated_at: credential.updated_at,
        }
    }
}

/// A link by which an operator signs in to the page *Settings → API Keys*, in the one answer that shows it.
#[derive(Serialize)]
pub struct LoginLinkShape<'a> {
    operator: &'a Name,
    /// The whole of it.
    pub url: String,
}

impl fmt::Debug for LoginLinkShape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginLinkShape").field("operator", &self.operator).finish_non_exhaustive()
    }
}

impl<'a> LoginLinkShape<'a> {
    /// A link to the server that browsers reach by this URL.
    #[must_use]
    pub fn new(operator: &'a Operator, public_url: &str, token: &OpaqueToken) -> Self {
        let url = format!("{}/dashboard/sign-in/{}", public_url.trim_end_matches('/'), token.expose());
        Self { operator: &operator.name, url }
    }
}

/// An operator.
#[derive(Debug, Serialize)]
pub struct OperatorShape<'a> {
    id: OperatorId,
    name: &'a Name,
    created_at: Timestamp,
    /// In the one answer that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value<'a>>,
}

impl<'a> OperatorShape<'a> {
    /// An operator; with its token, where it was just made.
    #[must_use]
    pub fn new(operator: &'a Operator, value: Option<&'a ShownOnce>) -> Self {
        let Operator { id, name, created_at, .. } = operator;
        Self { id: *id, name, created_at: *created_at, value: value.map(Value) }
    }
}
