use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use doorward_types::{Environment, Incarnation, Locator, Name, OrganizationId, RequestId, SecretState, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use crate::{Action, ActorId};

/// Who asks for a change, and from where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribution {
    /// The name of the operator, or of what acts in an operator's place, such as `cli:root`.
    pub actor: Name,
    /// The id of the same. None, if a service that embeds Doorward does not say.
    pub actor_id: Option<ActorId>,
    /// The address that the request came from, where there was one.
    pub source_address: Option<IpAddr>,
    /// The request that asked, where there was one.
    pub request_id: Option<RequestId>,
}

impl Attribution {
    /// Attributes to an actor on this machine, without a request.
    #[must_use]
    pub const fn local(actor: Name) -> Self {
        Self { actor, actor_id: None, source_address: None, request_id: None }
    }
}

/// An event before an engine gave it its place in a log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EventDraft {
    /// When it happened, by the clock of whoever wrote it.
    pub time: Timestamp,
    /// The name of the actor at the time.
    pub actor: Name,
    /// The id of the actor. Events from before there were ids have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<ActorId>,
    /// What was done.
    pub action: Action,
    /// The id of the record that it was done to.
    pub subject: String,
    /// Whose log it is in.
    pub organization: OrganizationId,
    /// Which of the two logs.
    pub environment: Environment,
    /// The address that the request came from.
    pub source_address: Option<IpAddr>,
    /// The request that asked.
    pub request_id: Option<RequestId>,
    /// Before and after.
    pub detail: Detail,
}

impl EventDraft {
    /// What someone did at this time, with nothing before and after.
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

/// What the record was called or is about, and which secrets it had before and after. Locators are public; digests never stand here.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    /// The record's name at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The origin that was allowed, or is no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The connector that a credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// The issuer and the subject that an operator is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The URLs of a connector before the change. No secret stands here, nor what is behind `?` in a URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls_before: Vec<String>,
    /// The URLs of a connector after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls_after: Vec<String>,
    /// The reason of the change, if there is a particular one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The secrets that worked before the change.
    pub before: Vec<SecretSummary>,
    /// The secrets that work after it.
    pub after: Vec<SecretSummary>,
}

/// The reason of a change.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The store was restored from a backup, in which what this change removes was alive again.
    StoreRestored,
}

/// The public facts of a secret.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSummary {
    /// Names the secret.
    pub locator: Locator,
    /// Counts the secrets of its key, from 1.
    pub generation: u32,
    /// Whether it is current or staged.
    pub state: SecretState,
}

/// An event in its place in a log. [`FiledEvent`](crate::FiledEvent) reads it back from a file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Event {
    /// Its place, from 1, without gaps.
    pub sequence: u64,
    /// The incarnation of the store that wrote it. After a restore, another event may have had the same place.
    #[serde(default, skip_serializing_if = "Incarnation::is_first")]
    pub incarnation: Incarnation,
    /// What happened.
    #[serde(flatten)]
    pub draft: EventDraft,
    /// The hash of the event before it, where the log is chained.
    pub previous_hash: Option<Hash>,
    /// The hash of this event and `previous_hash`, where the log is chained.
    pub hash: Option<Hash>,
}

/// SHA-256 in a hash chain, shown as hexadecimal digits.
#[derive(Clone, Copy, Deserialize, Eq, Hash, PartialEq)]
#[serde(try_from = "String")]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A log of a million events shows two million.
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

impl TryFrom<String> for Hash {
    type Error = NoHash;

    fn try_from(text: String) -> Result<Self, NoHash> {
        text.parse()
    }
}

/// The text is no hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits in lower case")]
pub struct NoHash;

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

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
                    name: None,
                    origin: None,
                    connector: None,
                    identity: None,
                    urls_before: vec![],
                    urls_after: vec![],
                    reason: None,
                    before: vec![],
                    after: vec![SecretSummary {
                        locator: "4fG7hJ2kLm".parse().unwrap(),
                        generation: 2,
                        state: SecretState::Current,
                    }],
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
