use std::collections::BTreeMap;

use doorward_types::{Environment, Incarnation, Locator, Name, OrganizationId, RequestId, SecretState, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Action, ActorId, Event, EventDraft, Hash, Reason, SecretSummary};

/// What stands before a leaf's bytes (RFC 6962, section 2.1), so that no leaf can pass for a node of the tree.
const LEAF: u8 = 0;

/// Few events are longer.
const USUAL_LENGTH: usize = 1_024;

/// The fields in the order of their names: serialized without white space, this is the canonical JSON of RFC 8785, since
/// names are ASCII, numbers are whole and below 2⁵³, and `serde_json` escapes exactly what the RFC says.
#[derive(Serialize)]
struct Canonical<'a> {
    action: Action,
    actor: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<&'a ActorId>,
    detail: CanonicalDetail<'a>,
    environment: Environment,
    /// Left out by a store that was never restored: hashes from before there were incarnations stay valid.
    #[serde(skip_serializing_if = "Incarnation::is_first")]
    incarnation: Incarnation,
    organization: OrganizationId,
    previous_hash: Option<Hash>,
    request_id: Option<RequestId>,
    sequence: u64,
    source_address: Option<std::net::IpAddr>,
    subject: &'a str,
    time: Timestamp,
}

#[derive(Serialize)]
struct CanonicalDetail<'a> {
    after: Vec<CanonicalSecret>,
    before: Vec<CanonicalSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    urls_after: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    urls_before: &'a [String],
}

#[derive(Serialize)]
struct CanonicalSecret {
    generation: u32,
    locator: Locator,
    state: SecretState,
}

impl Event {
    /// The event that follows `previous` in its log: its place and its hashes are given by what stands before. The store
    /// that writes it is in this incarnation.
    #[must_use]
    pub fn following(previous: Option<(u64, Option<Hash>)>, incarnation: Incarnation, draft: EventDraft) -> Self {
        let (last, previous_hash) = previous.unwrap_or((0, None));
        let event = Self { sequence: last + 1, incarnation, draft, previous_hash, hash: None };
        let hash = Some(event.computed_hash());
        Self { hash, ..event }
    }

    /// What the hash covers: the event as canonical JSON (RFC 8785), without `hash` itself.
    ///
    /// Whoever has the event as JSON gets it by leaving out `hash` and canonicalizing the rest.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        self.canonical_at(self.sequence)
    }

    /// SHA-256 of a zero byte and the canonical JSON: the hash of a leaf of a Merkle tree as RFC 6962 has it.
    #[must_use]
    pub fn computed_hash(&self) -> Hash {
        self.hash_at(self.sequence)
    }

    /// The hash that this event would have in another place.
    pub(crate) fn hash_at(&self, sequence: u64) -> Hash {
        leaf(&self.canonical_at(sequence))
    }

    /// The hash of an event as an export has it, a line of JSON; none where it is no JSON object. `hash` itself is left out.
    #[must_use]
    pub fn hash_of_json(line: &str) -> Option<Hash> {
        serde_json::from_str(line).ok().and_then(hash_of_value)
    }

    fn canonical_at(&self, sequence: u64) -> Vec<u8> {
        let EventDraft {
            time,
            actor,
            actor_id,
            action,
            subject,
            organization,
            environment,
            source_address,
            request_id,
            detail,
        } = &self.draft;
        let secrets = |secrets: &[SecretSummary]| {
            let canonical = |secret: &SecretSummary| {
                let SecretSummary { locator, generation, state } = *secret;
                CanonicalSecret { generation, locator, state }
            };
            secrets.iter().map(canonical).collect()
        };
        let detail = CanonicalDetail {
            after: secrets(&detail.after),
            before: secrets(&detail.before),
            connector: detail.connector.as_deref(),
            identity: detail.identity.as_deref(),
            name: detail.name.as_ref(),
            origin: detail.origin.as_deref(),
            reason: detail.reason,
            urls_after: &detail.urls_after,
            urls_before: &detail.urls_before,
        };
        let canonical = Canonical {
            action: *action,
            actor,
            actor_id: actor_id.as_ref(),
            detail,
            environment: *environment,
            incarnation: self.incarnation,
            organization: *organization,
            previous_hash: self.previous_hash,
            request_id: *request_id,
            sequence,
            source_address: *source_address,
            subject,
            time: *time,
        };
        // It cannot fail: there is no map with keys that are no text, and nothing that fails to serialize.
        let mut text = Vec::with_capacity(USUAL_LENGTH);
        let _ = serde_json::to_writer(&mut text, &canonical);
        text
    }
}

/// The hash of an event as JSON; none if it is no JSON object.
pub(crate) fn hash_of_value(event: Value) -> Option<Hash> {
    let Value::Object(mut fields) = event else { return None };
    fields.remove("hash");
    serde_json::to_vec(&Sorted(&Value::Object(fields))).ok().map(|canonical| leaf(&canonical))
}

fn leaf(canonical: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([LEAF]);
    hash.update(canonical);
    Hash(hash.finalize().into())
}

/// JSON whose fields are in the order of their names.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let sorted: BTreeMap<&String, Sorted<'_>> =
                    fields.iter().map(|(name, value)| (name, Sorted(value))).collect();
                serializer.collect_map(sorted)
            }
            Value::Array(values) => serializer.collect_seq(values.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}
