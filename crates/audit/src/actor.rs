use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use doorward_types::{AccessKeyId, ActorName, OperatorId, as_text};

/// The id of an actor. It stays the same if the name changes, and its form shows the kind of actor.
///
/// `op_…` is an operator, `key_…` an access key, [`ActorId::CLI`] the command line, [`ActorId::SERVER`] the server itself. A
/// service that embeds Doorward sets ids of its own.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ActorId(Cow<'static, str>);

impl ActorId {
    /// The command line.
    pub const CLI: Self = Self(Cow::Borrowed("cli"));

    /// The server itself.
    pub const SERVER: Self = Self(Cow::Borrowed("server"));

    /// The maximum length of an id in bytes: that of an actor's name, so that an id can serve as a name.
    pub const MAX_BYTES: usize = ActorName::MAX_BYTES;

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<OperatorId> for ActorId {
    fn from(id: OperatorId) -> Self {
        Self(id.to_string().into())
    }
}

impl From<AccessKeyId> for ActorId {
    fn from(id: AccessKeyId) -> Self {
        Self(id.to_string().into())
    }
}

impl FromStr for ActorId {
    type Err = NoActorId;

    fn from_str(text: &str) -> Result<Self, NoActorId> {
        let is_id = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_id { Ok(Self(text.to_owned().into())) } else { Err(NoActorId) }
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(ActorId);

/// The text is not an actor's id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an actor's id has 1 to {} visible ASCII characters", ActorId::MAX_BYTES)]
#[non_exhaustive]
pub struct NoActorId;

#[cfg(test)]
mod tests {
    use doorward_types::{Environment, Incarnation, OrganizationId, Timestamp};

    use super::*;
    use crate::{Action, Attribution, Event, EventDraft};

    #[test]
    fn an_id_is_short_visible_ascii() {
        let longest = "a".repeat(ActorId::MAX_BYTES);
        for text in ["ada@example.com", "cli", &longest] {
            assert_eq!(text.parse::<ActorId>().map(|id| id.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "a b", "a\nb", "zoë", &(longest.clone() + "a")] {
            assert_eq!(text.parse::<ActorId>(), Err(NoActorId), "{text:?}");
        }
    }

    #[test]
    fn an_events_hash_covers_ids() {
        let by = Attribution { actor_id: Some(ActorId::CLI), ..Attribution::local("ada".parse().unwrap()) };
        let log = (OrganizationId::INSTALLATION, Environment::Production);
        let mut draft = EventDraft::new(&by, Timestamp::from_millis(0), Action::OperatorBound, "op".to_owned(), log);
        draft.detail.identity = Some("https://id.example 7".to_owned());
        let event = Event::following(None, Incarnation::FIRST, draft.clone());
        assert_eq!(Event::hash_of_json(&event.to_json_line()), event.hash);
        draft.actor_id = None;
        assert_ne!(Event::following(None, Incarnation::FIRST, draft).hash, event.hash);
    }
}
