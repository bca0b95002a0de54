use std::fmt;
use std::str::FromStr;

use doorward_types::{Name, RegisteredUserId, Timestamp};

use crate::{Record, Sealed};

/// A user of the organization's product, registered in one environment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RegisteredUser {
    /// The permanent id.
    pub id: RegisteredUserId,
    /// The organization's id for the user, unique within the environment.
    pub origin_user_id: Name,
    /// The display name.
    pub origin_user_name: Option<Name>,
    /// The time of registration.
    pub created_at: Timestamp,
}

impl RegisteredUser {
    /// Creates the record of a user.
    #[must_use]
    pub const fn new(
        id: RegisteredUserId,
        origin_user_id: Name,
        origin_user_name: Option<Name>,
        created_at: Timestamp,
    ) -> Self {
        Self { id, origin_user_id, origin_user_name, created_at }
    }
}

impl Record for RegisteredUser {
    type Key = RegisteredUserId;

    fn key(&self) -> RegisteredUserId {
        self.id
    }
}

/// A registered user's secret at a third party, sealed. The store has no method that takes plaintext.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Credential {
    /// The user. Deleting the user deletes the credential.
    pub registered_user: RegisteredUserId,
    /// The connector that the credential is for.
    pub connector: ConnectorName,
    /// The secret.
    pub sealed: Sealed,
    /// The time of the first put.
    pub created_at: Timestamp,
    /// The time of the last put.
    pub updated_at: Timestamp,
}

impl Credential {
    /// Creates the record of a credential.
    #[must_use]
    pub const fn new(
        registered_user: RegisteredUserId,
        connector: ConnectorName,
        sealed: Sealed,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> Self {
        Self { registered_user, connector, sealed, created_at, updated_at }
    }
}

/// The key of a credential within its scope.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CredentialKey {
    /// The user.
    pub registered_user: RegisteredUserId,
    /// The connector that the credential is for.
    pub connector: ConnectorName,
}

impl fmt::Display for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registered_user, self.connector)
    }
}

impl Record for Credential {
    type Key = CredentialKey;

    fn key(&self) -> CredentialKey {
        CredentialKey { registered_user: self.registered_user, connector: self.connector.clone() }
    }
}

/// The settings of one third party in one environment: the OAuth application, sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Connector {
    /// The name, unique within the environment.
    pub name: ConnectorName,
    /// The settings, with the client secret.
    pub sealed: Sealed,
    /// The time of the first put.
    pub created_at: Timestamp,
    /// The time of the last put.
    pub updated_at: Timestamp,
}

impl Connector {
    /// Creates the record of a connector.
    #[must_use]
    pub const fn new(name: ConnectorName, sealed: Sealed, created_at: Timestamp, updated_at: Timestamp) -> Self {
        Self { name, sealed, created_at, updated_at }
    }

    /// Returns the record that the settings of the connector with this name are sealed for.
    #[must_use]
    pub fn record(name: &ConnectorName) -> String {
        format!("connector/{name}")
    }
}

impl Record for Connector {
    type Key = ConnectorName;

    fn key(&self) -> ConnectorName {
        self.name.clone()
    }
}

/// The name of a connector, such as `github`. It is part of paths.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectorName(String);

impl ConnectorName {
    /// The maximum number of characters in a name.
    pub const MAX_LENGTH: usize = 64;

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectorName {
    type Err = ConnectorNameError;

    fn from_str(text: &str) -> Result<Self, ConnectorNameError> {
        let reads_well = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
        if starts_well && reads_well && text.len() <= Self::MAX_LENGTH {
            Ok(Self(text.to_owned()))
        } else {
            Err(ConnectorNameError)
        }
    }
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for a text that is not a connector's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a connector's name has 1 to 64 characters of a-z, 0-9, - and _, and begins with a letter or digit")]
pub struct ConnectorNameError;
