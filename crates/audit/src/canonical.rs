use std::collections::BTreeMap;

use doorward_types::{
    ActorName, Environment, ExternalId, Incarnation, Locator, Name, OrganizationId, RequestId, SecretState, Timestamp,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Action, ActorId, Event, EventDraft, Hash, Reason, SecretSummary};

/// The byte before a leaf's bytes (RFC 6962, section 2.1), so that a leaf cannot be mistaken for a node of the tree.
const LEAF: u8 = 0;

/// The usual maximum length of an event in bytes.
const USUAL_LENGTH: usize = 1_024;

/// The fields in the order of their names. Serialized without white space, this is the canonical JSON of RFC 8785: names are
/// ASCII, numbers are whole and below 2⁵³, and `serde_json` escapes exactly the characters that the RFC names.
#[derive(Serialize)]
struct Canonical<'a> {
    action: Action,
    actor: &'a ActorName,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<&'a ActorId>,
    detail: CanonicalDetail<'a>,
    environment: Environment,
    /// Omitted if the store was never restored, so that hashes from before incarnations existed stay valid.
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
    erase_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a ExternalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_before: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a Name>,
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
    /// Returns the event after `previous` in its log, written by a store of this incarnation. The place and the hashes follow
    /// from `previous`.
    #[must_use]
    pub fn following(previous: Option<(u64, Option<Hash>)>, incarnation: Incarnation, draft: EventDraft) -> Self {
        let (last, previous_hash) = previous.unwrap_or((0, None));
        let event = Self { sequence: last + 1, incarnation, draft, previous_hash, hash: None };
        let hash = Some(event.computed_hash());
        Self { hash, ..event }
    }

    /// Returns the bytes that the hash covers: the event as canonical JSON (RFC 8785), without `hash` itself.
    ///
    /// To get the same bytes from the event's JSON, remove `hash` and canonicalize the rest.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        self.canonical_at(self.sequence)
    }

    /// Returns SHA-256 of a zero byte and the canonical JSON: the hash of a leaf in a Merkle tree (RFC 6962).
    #[must_use]
    pub fn computed_hash(&self) -> Hash {
        self.hash_at(self.sequence)
    }

    /// Returns the hash that this event would have at another place.
    pub(crate) fn hash_at(&self, sequence: u64) -> Hash {
        leaf(&self.canonical_at(sequence))
    }

    /// Returns the hash of an exported event, a line of JSON, without `hash` itself. Returns `None` if the line is not a JSON
    /// object.
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
            erase_at: detail.erase_at,
            external_id: detail.external_id.as_ref(),
            identity: detail.identity.as_deref(),
            name: detail.name.as_ref(),
            name_before: detail.name_before.as_ref(),
            note: detail.note.as_ref(),
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
        // This cannot fail: every map key is a text, and every field can be serialized.
        let mut text = Vec::with_capacity(USUAL_LENGTH);
        let _ = serde_json::to_writer(&mut text, &canonical);
        text
    }
}

/// Returns the hash of an event in JSON, or `None` if it is not a JSON object.
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

/// A JSON value that serializes its fields in the order of their names.
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
