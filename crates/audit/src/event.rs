use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use doorward_types::{
    ActorName, Environment, ExternalId, Incarnation, Locator, Name, OrganizationId, RequestId, SecretState, Timestamp,
    as_text, with_fields,
};
use serde::{Deserialize, Serialize};

use crate::{Action, ActorId};

/// The actor of a change and the request's source.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Attribution {
    /// The name of the operator, or of the program that acts for an operator, such as `cli:root`.
    pub actor: ActorName,
    /// The actor's id. `None` if a service that embeds Doorward does not set it.
    pub actor_id: Option<ActorId>,
    /// The address that the request came from, if there was a request.
    pub source_address: Option<IpAddr>,
    /// The request's id, if there was a request.
    pub request_id: Option<RequestId>,
}

impl Attribution {
    /// Creates the attribution of an actor on this machine, without a request.
    #[must_use]
    pub const fn local(actor: ActorName) -> Self {
        Self { actor, actor_id: None, source_address: None, request_id: None }
    }
}

with_fields! {
    Attribution:
    with_actor_id actor_id: Option<ActorId>,
    with_source_address source_address: Option<IpAddr>,
    with_request_id request_id: Option<RequestId>,
}

/// An event before an engine has given it a place in a log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventDraft {
    /// The time of the event, by the writer's clock.
    pub time: Timestamp,
    /// The actor's name at the time.
    pub actor: ActorName,
    /// The actor's id. `None` in events from before ids existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<ActorId>,
    /// The change.
    pub action: Action,
    /// The id of the changed record.
    pub subject: String,
    /// The organization of the log.
    pub organization: OrganizationId,
    /// The environment of the log.
    pub environment: Environment,
    /// The request's source address.
    pub source_address: Option<IpAddr>,
    /// The request's id.
    pub request_id: Option<RequestId>,
    /// The state before and after the change.
    pub detail: Detail,
}

impl EventDraft {
    /// Creates an event at this time, without details.
    #[must_use]
    pub fn new(
        attribution: &Attribution,
        time: Timestamp,
        action: Action,
        subject: String,
        (organization, environment): (OrganizationId, Environment),
    ) -> Self {
        let Attribution { actor, actor_id, source_address, request_id } = attribution.clone();
        Self {
            time,
            actor,
            actor_id,
            action,
            subject,
            organization,
            environment,
            source_address,
            request_id,
            detail: Detail::default(),
        }
    }
}

with_fields! { EventDraft: with_detail detail: Detail }

/// The details of a change: the record's name or subject, and its secrets before and after. Locators are public; digests are
/// never included.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Detail {
    /// The record's name at the time, after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The record's name before a renaming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_before: Option<Name>,
    /// An organization's id in the embedding service, after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// The time from which the data of a closed organization is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase_at: Option<Timestamp>,
    /// The operator's words about the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Name>,
    /// The origin that was added or removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The connector of a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// The issuer and the subject of an operator's identity, or the id of a passkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// A connector's URLs before the change, without secrets and without the part after `?`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls_before: Vec<String>,
    /// A connector's URLs after the change, or the place of a key that was reported as leaked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls_after: Vec<String>,
    /// The reason of the change, if it is a special one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The secrets that worked before the change.
    pub before: Vec<SecretSummary>,
    /// The secrets that work after the change.
    pub after: Vec<SecretSummary>,
}

with_fields! {
    Detail:
    with_name name: Option<Name>,
    with_name_before name_before: Option<Name>,
    with_external_id external_id: Option<ExternalId>,
    with_erase_at erase_at: Option<Timestamp>,
    with_note note: Option<Name>,
    with_origin origin: Option<String>,
    with_connector connector: Option<String>,
    with_identity identity: Option<String>,
    with_urls_before urls_before: Vec<String>,
    with_urls_after urls_after: Vec<String>,
    with_reason reason: Option<Reason>,
    with_before before: Vec<SecretSummary>,
    with_after after: Vec<SecretSummary>,
}

/// The reason of a change.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The store was restored from a backup, which had brought the removed record back.
    StoreRestored,
}

/// The public facts of a secret.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SecretSummary {
    /// The secret's name.
    pub locator: Locator,
    /// The number of the secret within its key, from 1.
    pub generation: u32,
    /// The state: current or staged.
    pub state: SecretState,
}

impl SecretSummary {
    /// Creates a summary.
    #[must_use]
    pub const fn new(locator: Locator, generation: u32, state: SecretState) -> Self {
        Self { locator, generation, state }
    }
}

/// An event at its place in a log. A receiver reads back what a sink wrote with serde;
/// [`FiledEvent`](crate::FiledEvent) also tells whether the event was changed.
///
/// ```
/// # fn receive(line: &str) -> serde_json::Result<()> {
/// let event: doorward_audit::Event = serde_json::from_str(line)?;
/// println!("{} {} {}", event.draft.time, event.draft.actor, event.draft.action.as_str());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The event's place in the log, from 1, without gaps.
    pub sequence: u64,
    /// The incarnation of the store that wrote the event. After a restore, another event may have had the same place.
    #[serde(default, skip_serializing_if = "Incarnation::is_first")]
    pub incarnation: Incarnation,
    /// The content.
    #[serde(flatten)]
    pub draft: EventDraft,
    /// The hash of the event before it, if the log is chained.
    pub previous_hash: Option<Hash>,
    /// The hash of this event including `previous_hash`, if the log is chained.
    pub hash: Option<Hash>,
}

impl Event {
    /// Creates an event that was read from a log. [`Event::following`] creates the next event of a log.
    #[must_use]
    pub const fn new(
        sequence: u64,
        incarnation: Incarnation,
        draft: EventDraft,
        previous_hash: Option<Hash>,
        hash: Option<Hash>,
    ) -> Self {
        Self { sequence, incarnation, draft, previous_hash, hash }
    }

    /// Returns the event as one line of JSON with its line end.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        // This cannot fail: every map key is a text, and every field can be serialized.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// SHA-256 in a hash chain, shown in hexadecimal.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A fast table, since a log of a million events shows two million hashes.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NoHash),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(NoHash) };
        let bytes = pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?));
        let bytes = bytes.collect::<Result<Vec<u8>, _>>()?;
        bytes.try_into().map(Self).map_err(|_| NoHash)
    }
}

as_text!(Hash);

/// The text is not a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits in lower case")]
#[non_exhaustive]
pub struct NoHash;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_shows_every_field_that_others_rely_on() {
        let event = Event {
            sequence: 7,
            incarnation: Incarnation::FIRST,
            draft: EventDraft {
                time: Timestamp::from_millis(0),
                actor: "ada".parse().unwrap(),
                actor_id: Some("op_01h455vb4pex5vsknk084sn02q".parse().unwrap()),
                action: Action::AccessKeyRegenerated,
                subject: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
                organization: OrganizationId::INSTALLATION,
                environment: Environment::Production,
                source_address: Some(IpAddr::from([127, 0, 0, 1])),
                request_id: None,
                detail: Detail {
                    after: vec![SecretSummary {
                        locator: "4fG7hJ2kLm".parse().unwrap(),
                        generation: 2,
                        state: SecretState::Current,
                    }],
                    ..Detail::default()
                },
            },
            previous_hash: None,
            hash: Some(Hash([0xab; 32])),
        };
        let shown: serde_json::Value = serde_json::to_value(&event).unwrap();
        assert_eq!(
            shown,
            serde_json::json!({
                "sequence": 7, "time": "1970-01-01T00:00:00.000Z", "actor": "ada",
                "actor_id": "op_01h455vb4pex5vsknk084sn02q", "action": "access_key.regenerated",
                "subject": "key_01h455vb4pex5vsknk084sn02q", "organization": "org_00000000000000000000000000",
                "environment": "production", "source_address": "127.0.0.1", "request_id": null,
                "detail": {"before": [], "after": [{"locator": "4fG7hJ2kLm", "generation": 2, "state": "current"}]},
                "previous_hash": null, "hash": "ab".repeat(32),
            })
        );
        let restored = Event { incarnation: Incarnation(2), ..event };
        assert_eq!(serde_json::to_value(&restored).unwrap().get("incarnation"), Some(&2.into()));
    }
}
