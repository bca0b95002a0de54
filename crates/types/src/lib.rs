//! The words that all of Doorward shares.
//!
//! Everything here is a value: no I/O, no async, no policy. Each word is a type of its own, so that a key's id
//! cannot stand where an organization's is wanted, and a limit lives in the constructor of the type that it limits.
//!
//! | word | what it is for |
//! |---|---|
//! | [`Environment`] | the two worlds that never see each other |
//! | [`OrganizationId`], [`AccessKeyId`], … | naming records, in the TypeID form `org_01h455vb4pex5vsknk084sn02q` |
//! | [`Locator`] | the public part of a key's text, which looks its record up |
//! | [`Name`] | text that a person chose, safe to print |
//! | [`Foreign`] | text of another program, made safe to log |
//! | [`Incarnation`] | telling the events of a restored store from those that were lost |
//! | [`Timestamp`], [`Clock`] | the time of day for records; elapsed time for promises |

mod clock;
mod environment;
mod foreign;
mod id;
mod incarnation;
mod locator;
mod name;

pub use clock::{Clock, ManualClock, PreciseClock, Reading, SystemClock, Tick, Timestamp, TimestampError};
pub use environment::{Environment, SecretState, UnknownEnvironment, UnknownSecretState};
pub use foreign::{Causes, Foreign};
pub use id::{
    AccessKeyId, AllowedOriginId, LinkSessionId, OperatorId, OrganizationId, RegisteredUserId, RequestId, SessionId,
    ToolCallId,
};
pub use id::{IdError, IdSeed};
pub use incarnation::Incarnation;
pub use locator::{Locator, LocatorError};
pub use name::{Name, NameError};
