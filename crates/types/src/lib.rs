//! The words that all Doorward crates share.
//!
//! Everything here is a value: no I/O, no async, no policy. Each word is its own type, so that a key's id cannot stand in for an
//! organization's id, and each limit is in the constructor of its type.
//!
//! | word | purpose |
//! |---|---|
//! | [`Environment`] | the two environments, which never see each other |
//! | [`OrganizationId`], [`AccessKeyId`], … | names of records, in the TypeID form `org_01h455vb4pex5vsknk084sn02q` |
//! | [`Locator`] | the public part of a key's text, which finds its record |
//! | [`Name`], [`ActorName`] | a text that a person chose, safe to print |
//! | [`ExternalId`], [`OrganizationState`] | an organization's id in the embedding service, and its state |
//! | [`Foreign`] | another program's text, made safe to log |
//! | [`Incarnation`] | distinguishes the events of a restored store from the lost events |
//! | [`parse_duration`] | a span of time as settings have it |
//! | [`Timestamp`], [`Clock`] | the time of day for records; elapsed time for promises |

mod clock;
mod duration;
mod environment;
mod foreign;
mod id;
mod incarnation;
mod locator;
mod name;
mod organization;
mod words;

pub use clock::{Clock, ClockReading, ManualClock, MonoInstant, PreciseClock, SystemClock, Timestamp, TimestampError};
pub use duration::{DurationError, parse_duration};
pub use environment::{Environment, SecretState};
pub use foreign::{Causes, Foreign};
pub use id::{
    AccessKeyId, AllowedOriginId, LinkSessionId, OperatorId, OrganizationId, RegisteredUserId, RequestId, SessionId,
    ToolCallId,
};
pub use id::{IdError, IdSeed, IdSequence};
pub use incarnation::Incarnation;
pub use locator::{Locator, LocatorError};
pub use name::{ActorName, Name, NameError};
pub use organization::{ExternalId, ExternalIdError, OrganizationState};
pub use words::UnknownWord;
