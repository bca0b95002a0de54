//! The JSON shapes of `docs/reference/http.md`, which the API answers with and the command line prints.

use std::fmt;
use std::net::IpAddr;

use doorward_audit::{Checkpoint, NoteKey, Unproved, VerifiedLog};
use doorward_auth::{
    CurrentValue, FoundSecret, Impact, Labelled, Minted, Principal, Provisioned, Receipt, Regenerated, TakenKey,
    Updated, UsedSecret, rotation_due_at,
};
use doorward_key::{ImportFormat, OpaqueToken, ShownOnce};
use doorward_origin::{AllowedOrigin, OriginError};
use doorward_records::{Credential, RegisteredUser, ToolCall};
use doorward_store::{
    AccessKeyWithSecrets, Hold, LostChange, NodeRecord, Operator, Organization, OriginEntry, Secret, SecretUsage,
    SinkState,
};
use doorward_types::{
    AccessKeyId, ActorName, AllowedOriginId, Environment, ExternalId, Incarnation, Locator, Name, OperatorId,
    OrganizationId, OrganizationState, RegisteredUserId, SecretState, SessionId, Timestamp, ToolCallId,
};
use serde::{Serialize, Serializer};

/// A value in the only answer that shows it. No other serialization of values exists.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(pub &'a ShownOnce);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct List<T> {
    /// The rows.
    pub data: Vec<T>,
    /// The cursor of the next page; none on the last page.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// Creates a list of one page.
    #[must_use]
    pub const fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }
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
#[non_exhaustive]
pub struct CheckpointView {
    /// The log's name.
    pub origin: String,
    /// The number of its events.
    pub size: u64,
    root: String,
    #[serde(skip_serializing_if = "Incarnation::is_first")]
    incarnation: Incarnation,
    /// The signed note, to be kept elsewhere.
    pub checkpoint: String,
    /// The key that verifies it.
    pub verifier_key: String,
}

impl CheckpointView {
    /// Signs the checkpoint of a verified log.
    ///
    /// # Errors
    ///
    /// [`Unproved`], if the log's beginning is gone without a signed statement.
    pub fn new(verified: &VerifiedLog, key: &NoteKey) -> Result<Self, Unproved> {
        let Checkpoint { origin, size, root, incarnation, .. } = verified.checkpoint();
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
pub struct AllowedOriginView {
    id: AllowedOriginId,
    origin: AllowedOrigin,
    created_at: Timestamp,
    created_by: ActorName,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

impl AllowedOriginView {
    /// Returns an entry, with the receipt if the entry is new.
    #[must_use]
    pub fn new(entry: &OriginEntry, receipt: Option<Receipt>) -> Self {
        let OriginEntry { id, origin, created_at, created_by, .. } = entry.clone();
        Self { id, origin, created_at, created_by, receipt }
    }
}

/// The judgement on a callback's URL.
#[derive(Debug, Serialize)]
pub struct OriginCheckView {
    allowed: bool,
    /// The entry that allows it, or the origin that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl OriginCheckView {
    /// Returns the judgement of a list.
    #[must_use]
    pub fn new(checked: &Result<AllowedOrigin, OriginError>) -> Self {
        match checked {
            Ok(entry) => Self { allowed: true, origin: Some(entry.to_string()), reason: None },
            Err(refusal) => {
                let seen = match refusal {
                    OriginError::NotListed { seen, .. } => Some(seen.to_string()),
                    _ => None,
                };
                Self { allowed: false, origin: seen, reason: Some(refusal.to_string()) }
            }
        }
    }
}

/// The progress of a sink of audit events.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct SinkView {
    /// Its name in the servers' configuration.
    pub name: Name,
    /// The position up to which all events have arrived.
    pub position: u64,
    /// The number of events that have not arrived.
    pub behind: u64,
    /// The time at which the oldest of these events was written.
    pub behind_since: Option<Timestamp>,
    /// True if a node ships to it.
    pub held: bool,
}

impl From<SinkState> for SinkView {
    fn from(sink: SinkState) -> Self {
        let SinkState { name, position, holder, behind, behind_since, .. } = sink;
        Self { name, position, behind, behind_since, held: holder.is_some() }
    }
}

/// A node that verifies keys on the store.
#[derive(Debug, Serialize)]
pub struct NodeView {
    id: SessionId,
    /// The name of the node's machine, unless its program is older.
    host: Option<Name>,
    /// The name and version of the node's program.
    program: Option<Name>,
    lease_ms: u64,
    /// The newest revision that the node has acknowledged. It acknowledges only if a writer waits.
    acknowledged_revision: Option<u64>,
    /// True if the node kept silent at a change: it serves nothing until it has registered again.
    retired: bool,
    /// The time at which the node last described itself, by the store's clock.
    seen_at: Option<Timestamp>,
    /// The milliseconds by which the node's clock was ahead of the store's.
    clock_ahead_ms: Option<i64>,
}

impl From<&NodeRecord> for NodeView {
    fn from(node: &NodeRecord) -> Self {
        let said = node.description.as_ref();
        Self {
            id: node.status.session.id,
            host: said.map(|said| said.host.clone()),
            program: said.map(|said| said.program.clone()),
            lease_ms: u64::try_from(node.status.session.lease.as_millis()).unwrap_or(u64::MAX),
            acknowledged_revision: node.status.acknowledged.map(|revision| revision.0),
            retired: node.status.retired,
            seen_at: node.store_time,
            clock_ahead_ms: node.clock_ahead_millis(),
        }
    }
}

/// A change that the store lost.
#[derive(Debug, Serialize)]
pub struct LostChangeView {
    revision: u64,
    operation: String,
    accepted: bool,
}

impl From<&LostChange> for LostChangeView {
    fn from(lost: &LostChange) -> Self {
        let LostChange { change, accepted, .. } = lost;
        Self { revision: change.revision.0, operation: change.operation.to_string(), accepted: *accepted }
    }
}

/// An organization.
#[derive(Debug, Serialize)]
pub struct OrganizationView {
    id: OrganizationId,
    name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<ExternalId>,
    state: OrganizationState,
    created_at: Timestamp,
    /// The time from which the data of a closed organization is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    erase_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

impl From<Organization> for OrganizationView {
    fn from(organization: Organization) -> Self {
        let Organization { id, name, created_at, external_id, state, erase_at, .. } = organization;
        Self { id, name, external_id, state, created_at, erase_at, receipt: None }
    }
}

impl From<Updated> for OrganizationView {
    fn from(updated: Updated) -> Self {
        Self { receipt: Some(updated.receipt), ..updated.organization.into() }
    }
}

/// A new organization, with the one showing of its production key.
#[derive(Debug, Serialize)]
pub struct ProvisionedView<'a> {
    id: OrganizationId,
    name: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a ExternalId>,
    state: OrganizationState,
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

impl<'a> From<&'a Provisioned> for ProvisionedView<'a> {
    fn from(made: &'a Provisioned) -> Self {
        Self {
            id: made.organization.id,
            name: &made.organization.name,
            external_id: made.organization.external_id.as_ref(),
            state: made.organization.state,
            created_at: made.organization.created_at,
            production_key: NewKey { id: made.key.id, locator: made.secret.locator, value: Value(&made.value) },
            receipt: made.receipt,
        }
    }
}

/// A new test key, with the one showing of its value.
#[derive(Debug, Serialize)]
pub struct CreatedView<'a> {
    id: AccessKeyId,
    environment: Environment,
    name: &'a Name,
    locator: Locator,
    value: Value<'a>,
    receipt: Receipt,
}

impl<'a> From<&'a Minted> for CreatedView<'a> {
    fn from(made: &'a Minted) -> Self {
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
pub struct StagedView<'a> {
    locator: Locator,
    generation: u32,
    value: Value<'a>,
    receipt: Receipt,
}

impl<'a> From<&'a Minted> for StagedView<'a> {
    fn from(staged: &'a Minted) -> Self {
        let Secret { locator, generation, .. } = staged.secret;
        Self { locator, generation, value: Value(&staged.value), receipt: staged.receipt }
    }
}

/// A key that was taken by its digest: its value was made elsewhere.
#[derive(Debug, Serialize)]
pub struct TakenView<'a> {
    id: AccessKeyId,
    environment: Environment,
    name: &'a Name,
    locator: Locator,
    generation: u32,
    /// None if the store had the key already.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

impl<'a> From<&'a TakenKey> for TakenView<'a> {
    fn from(taken: &'a TakenKey) -> Self {
        Self {
            id: taken.key.id,
            environment: taken.key.environment,
            name: &taken.key.name,
            locator: taken.secret.locator,
            generation: taken.secret.generation,
            receipt: taken.receipt,
        }
    }
}

/// A regenerated production key, with its value only if the value was not shown before.
#[derive(Debug, Serialize)]
pub struct RegeneratedView<'a> {
    locator: Locator,
    generation: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value<'a>>,
    receipt: Receipt,
}

impl<'a> From<&'a Regenerated> for RegeneratedView<'a> {
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
pub struct AccessKeyView {
    id: AccessKeyId,
    environment: Environment,
    name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Name>,
    created_at: Timestamp,
    created_by: ActorName,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_due_at: Option<Timestamp>,
    secrets: Vec<SecretView>,
}

#[derive(Debug, Serialize)]
struct SecretView {
    locator: Locator,
    generation: u32,
    state: SecretState,
    created_at: Timestamp,
    /// The format of the text, if another service made the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<&'static str>,
    /// None if the secret was never used.
    last_used_at: Option<Timestamp>,
    uses_last_hour: u64,
    /// The time of the first report that the secret has leaked.
    #[serde(skip_serializing_if = "Option::is_none")]
    reported_at: Option<Timestamp>,
    /// The time since which servers refuse the secret because of a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined_at: Option<Timestamp>,
}

impl SecretView {
    fn new(secret: Secret, usage: Option<SecretUsage>) -> Self {
        let Secret { locator, generation, state, created_at, imported, reported_at, quarantined_at, .. } = secret;
        let imported = imported.map(ImportFormat::as_str);
        let last_used_at = usage.map(|usage| usage.last_used_at);
        let uses_last_hour = usage.map_or(0, |usage| usage.uses_last_hour);
        Self {
            locator,
            generation,
            state,
            created_at,
            imported,
            last_used_at,
            uses_last_hour,
            reported_at,
            quarantined_at,
        }
    }
}

impl AccessKeyView {
    /// A key, with what is known of its secrets' use.
    #[must_use]
    pub fn new(found: AccessKeyWithSecrets, usage: &[SecretUsage]) -> Self {
        let AccessKeyWithSecrets { key, note, secrets, .. } = found;
        Self {
            rotation_due_at: rotation_due_at(key.environment, &secrets),
            id: key.id,
            environment: key.environment,
            name: key.name,
            note,
            created_at: key.created_at,
            created_by: key.created_by,
            secrets: secrets
                .into_iter()
                .map(|secret| {
                    let usage = usage.iter().find(|usage| usage.locator == secret.locator);
                    SecretView::new(secret, usage.copied())
                })
                .collect(),
        }
    }
}

/// A key after a change of its name or its note.
#[derive(Debug, Serialize)]
pub struct LabelledView {
    #[serde(flatten)]
    key: AccessKeyView,
    receipt: Receipt,
}

impl LabelledView {
    /// The key, with what is known of its secrets' use.
    #[must_use]
    pub fn new(labelled: Labelled, usage: &[SecretUsage]) -> Self {
        let Labelled { key, receipt, .. } = labelled;
        Self { key: AccessKeyView::new(key, usage), receipt }
    }
}

/// A secret that was found by its locator: in force, or revoked in the last 30 days.
#[derive(Debug, Serialize)]
pub struct FoundSecretView {
    locator: Locator,
    in_force: bool,
    environment: Environment,
    key: AccessKeyId,
    organization: OrganizationId,
    /// True if the organization is suspended, so that servers refuse the secret.
    suspended: bool,
    /// True if the secret was reported as leaked and waits for an operator, so that servers refuse it.
    quarantined: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
    /// The number of calls that were refused since the revocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_refused_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_refused_from: Option<IpAddr>,
}

impl From<&FoundSecret> for FoundSecretView {
    fn from(found: &FoundSecret) -> Self {
        match found {
            FoundSecret::InForce(live) => Self {
                locator: live.secret.locator,
                in_force: true,
                environment: live.key.environment,
                key: live.key.id,
                organization: live.key.organization,
                suspended: live.hold() == Some(Hold::Suspended),
                quarantined: live.secret.quarantined_at.is_some(),
                retired_at: None,
                refused: None,
                last_refused_at: None,
                last_refused_from: None,
            },
            FoundSecret::Revoked(retired) => Self {
                locator: retired.locator,
                in_force: false,
                environment: retired.environment,
                key: retired.access_key,
                organization: retired.organization,
                suspended: false,
                quarantined: false,
                retired_at: Some(retired.retired_at),
                refused: Some(retired.refused),
                last_refused_at: retired.last_refused_at,
                last_refused_from: retired.last_refused_from,
            },
        }
    }
}

/// The impact of a regeneration, and whether it is safe.
#[derive(Debug, Serialize)]
pub struct ImpactView {
    safe: bool,
    refused: Vec<Locator>,
    dying: Vec<SecretView>,
    successor: Option<SecretView>,
}

impl From<&Impact> for ImpactView {
    fn from(impact: &Impact) -> Self {
        let secret = |UsedSecret { secret, usage, .. }: &UsedSecret| SecretView::new(*secret, *usage);
        Self {
            safe: impact.is_safe(),
            refused: impact.refused().map(|usage| usage.locator).collect(),
            dying: impact.dying.iter().map(secret).collect(),
            successor: impact.successor.as_ref().map(secret),
        }
    }
}

/// A registered user.
#[derive(Debug, Serialize)]
pub struct RegisteredUserView {
    id: RegisteredUserId,
    origin_user_id: Name,
    origin_user_name: Option<Name>,
    created_at: Timestamp,
}

impl From<RegisteredUser> for RegisteredUserView {
    fn from(user: RegisteredUser) -> Self {
        let RegisteredUser { id, origin_user_id, origin_user_name, created_at, .. } = user;
        Self { id, origin_user_id, origin_user_name, created_at }
    }
}

/// A call of a tool.
#[derive(Debug, Serialize)]
pub struct ToolCallView {
    id: ToolCallId,
    tool: Name,
    connector: Option<String>,
    registered_user_id: Option<RegisteredUserId>,
    access_key_id: AccessKeyId,
    began_at: Timestamp,
    ended_at: Option<Timestamp>,
    outcome: &'static str,
}

impl From<ToolCall> for ToolCallView {
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

/// A credential without its secret.
#[derive(Debug, Serialize)]
pub struct CredentialView {
    registered_user_id: RegisteredUserId,
    connector: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Credential> for CredentialView {
    fn from(credential: Credential) -> Self {
        let Credential { registered_user, connector, created_at, updated_at, .. } = credential;
        Self { registered_user_id: registered_user, connector: connector.to_string(), created_at, updated_at }
    }
}

/// A link by which an operator signs in to the page *Settings → API Keys*, in the one answer that shows it.
#[derive(Serialize)]
#[non_exhaustive]
pub struct LoginLinkView<'a> {
    operator: &'a Name,
    /// The whole of it.
    pub url: String,
}

impl fmt::Debug for LoginLinkView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginLinkView").field("operator", &self.operator).finish_non_exhaustive()
    }
}

impl<'a> LoginLinkView<'a> {
    /// A link to the server that browsers reach by this URL.
    #[must_use]
    pub fn new(operator: &'a Operator, public_url: &str, token: &OpaqueToken) -> Self {
        let url = format!("{}/dashboard/sign-in/{}", public_url.trim_end_matches('/'), token.expose());
        Self { operator: &operator.name, url }
    }
}

/// An operator.
#[derive(Debug, Serialize)]
pub struct OperatorView<'a> {
    id: OperatorId,
    name: &'a Name,
    created_at: Timestamp,
    /// In the one answer that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value<'a>>,
}

impl<'a> OperatorView<'a> {
    /// An operator, with its token if the token is new.
    #[must_use]
    pub fn new(operator: &'a Operator, value: Option<&'a ShownOnce>) -> Self {
        let Operator { id, name, created_at, .. } = operator;
        Self { id: *id, name, created_at: *created_at, value: value.map(Value) }
    }
}
