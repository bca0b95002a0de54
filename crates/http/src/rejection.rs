use std::borrow::Cow;

use doorward_auth::VerifyError;
use doorward_types::Environment;

use crate::{Code, CredentialError, KeyMisuse, Problem};

/// The reason why an [`AccessKeyLayer`](crate::AccessKeyLayer) refuses a request. [`Problem`] is the answer for the sender.
///
/// The layer's response has it in its extensions, for the metrics and logs of the service around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request has no readable credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A page in a browser sent a valid key.
    #[error("a page in a browser sent this key, where everyone can read it: regenerate it, and call from a backend")]
    InBrowser,
    /// A text in the query string has the form of a key.
    #[error(
        "a key stands in the query string, which logs and histories keep: treat it as leaked, regenerate it, \
         and send the new one in the header `Authorization: Bearer <key>`"
    )]
    InQuery {
        /// True if the key is valid, or if this node saw its revocation.
        is_known: bool,
    },
    /// The verifier refused the key.
    #[error("{}", refused(.0))]
    Key(#[from] VerifyError),
    /// The key is valid in this environment, but only keys of the other environment pass.
    #[error("this route accepts no {0} keys")]
    WrongEnvironment(Environment),
}

impl Rejection {
    /// Every code that a rejection can have.
    pub(crate) const CODES: [Code; 10] = [
        Code::INVALID_KEY,
        Code::KEY_IN_WRONG_PLACE,
        Code::KEY_QUARANTINED,
        Code::KEY_USED_IN_BROWSER,
        Code::MALFORMED_AUTHORIZATION,
        Code::MALFORMED_KEY,
        Code::MISSING_CREDENTIAL,
        Code::NOT_CURRENT,
        Code::ORGANIZATION_SUSPENDED,
        Code::WRONG_ENVIRONMENT,
    ];

    /// Returns the word for programs, with its status.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Credential(CredentialError::Missing) => Code::MISSING_CREDENTIAL,
            Self::Credential(CredentialError::Malformed(_)) => Code::MALFORMED_AUTHORIZATION,
            Self::InBrowser => Code::KEY_USED_IN_BROWSER,
            Self::InQuery { .. } => Code::KEY_IN_WRONG_PLACE,
            Self::Key(VerifyError::Malformed(_)) => Code::MALFORMED_KEY,
            Self::Key(VerifyError::NotCurrent) => Code::NOT_CURRENT,
            Self::Key(VerifyError::Quarantined(_)) => Code::KEY_QUARANTINED,
            Self::Key(VerifyError::Suspended) => Code::ORGANIZATION_SUSPENDED,
            // The enum may grow: an unknown kind of refusal must not let a request in.
            Self::Key(_) => Code::INVALID_KEY,
            Self::WrongEnvironment(_) => Code::WRONG_ENVIRONMENT,
        }
    }

    /// Returns the unusual use of a refused key, for metrics. The sender does not see it.
    #[must_use]
    pub const fn unusual_use(&self) -> Option<KeyMisuse> {
        match self {
            Self::InBrowser => Some(KeyMisuse::InBrowser),
            Self::InQuery { is_known: true } => Some(KeyMisuse::InQuery),
            Self::Key(VerifyError::Quarantined(_)) => Some(KeyMisuse::Quarantined),
            Self::Key(VerifyError::Revoked(_)) => Some(KeyMisuse::Revoked),
            _ => None,
        }
    }
}

/// Returns the reason for the sender. An unknown key and a revoked key have the same reason.
fn refused(error: &VerifyError) -> Cow<'static, str> {
    match error {
        VerifyError::Malformed(fault) => fault.to_string().into(),
        VerifyError::NotCurrent => {
            "this node cannot prove at the moment that it is up to date, so it neither accepts nor refuses the key; try again"
                .into()
        }
        VerifyError::Quarantined(_) => {
            "this key was reported as leaked, and is refused until an operator of this service decides: ask for another key"
                .into()
        }
        VerifyError::Suspended => "the key is valid, but its organization is suspended: ask the operator of this service".into(),
        _ => "the key is unknown, or was deleted or regenerated".into(),
    }
}

impl From<&Rejection> for Problem {
    fn from(rejection: &Rejection) -> Self {
        Self::new(rejection.code(), rejection.to_string())
    }
}

#[cfg(test)]
mod tests {
    use doorward_auth::KnownKey;
    use doorward_key::KeyError;
    use doorward_types::{AccessKeyId, OrganizationId};

    use super::*;

    /// A code that is not in the list would not be counted.
    #[test]
    fn every_rejection_has_a_code_of_the_list() {
        let (organization, id) = (OrganizationId::from_u128(1), AccessKeyId::from_u128(2));
        let key = KnownKey::new(organization, Environment::Test, id, "0123456789".parse().unwrap());
        let rejections = [
            Rejection::Credential(CredentialError::Missing),
            Rejection::Credential(CredentialError::Malformed("")),
            Rejection::InBrowser,
            Rejection::InQuery { is_known: true },
            Rejection::Key(VerifyError::Malformed(KeyError::Prefix)),
            Rejection::Key(VerifyError::NotCurrent),
            Rejection::Key(VerifyError::Quarantined(key)),
            Rejection::Key(VerifyError::Suspended),
            Rejection::Key(VerifyError::Unknown),
            Rejection::WrongEnvironment(Environment::Test),
        ];
        for code in Rejection::CODES {
            assert!(rejections.iter().any(|rejection| rejection.code() == code), "{}", code.as_str());
        }
        for rejection in rejections {
            assert!(Rejection::CODES.contains(&rejection.code()), "{rejection:?}");
        }
    }
}
