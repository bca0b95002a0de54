use std::fmt;
use std::str::FromStr;

use doorward_types::{Name, RegisteredUserId, Timestamp};

use crate::{Record, Sealed};

/// A user of the organization's own product, as one environment knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegisteredUser {
    /// Names it for ever.
    pub id: RegisteredUserId,
    /// What the organization calls it; unique within the environment.
    pub origin_user_id: Name,
    /// What people call it.
    pub origin_user_name: Option<Name>,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Record for RegisteredUser {
    type Key = RegisteredUserId;

    fn key(&self) -> RegisteredUserId {
        self.id
    }
}

/// A secret that a registered user entrusted, sealed: plaintext cannot be stored, since nothing takes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// Whose it is. It goes when the user goes.
    pub registered_user: RegisteredUserId,
    /// What it opens.
    pub connector: ConnectorName,
    /// The secret.
    pub sealed: Sealed,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

/// Names a credential within its scope.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CredentialKey {
    /// Whose it is.
    pub registered_user: RegisteredUserId,
    /// What it opens.
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

/// How one environment reaches a third party that users link accounts of: the OAuth application, sealed whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connector {
    /// Names it within its environment.
    pub name: ConnectorName,
    /// Its settings, the client's secret among them.
    pub sealed: Sealed,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

impl Connector {
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

/// Names what a credential opens, such as `github`: it stands in paths.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectorName(String);

impl ConnectorName {
    /// The most characters in a name.
    pub const MAX_LENGTH: usize = 64;

    /// The text.
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

/// The text names no connector.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a connector's name is 1 to 64 of a-z, 0-9, - and _, and begins with a letter or digit")]
pub struct ConnectorNameError;
