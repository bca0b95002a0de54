use std::borrow::Cow;

use doorward_auth::Refusal;
use doorward_types::Environment;

use crate::{Code, CredentialFault, Problem, UnusualUse};

/// The reason why an [`AccessKeyLayer`](crate::AccessKeyLayer) refuses a request. [`Problem`] is its form for the sender.
///
/// The response of a layer has it among its extensions, for metrics and logs of the service around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rejection {
    /// The request has no credential that could be verified.
    Credential(CredentialFault),
    /// A page in a browser sent a key that is in force.
    InBrowser,
    /// A text in the query string has the form of a key.
    InQuery {
        /// Whether it is a key in force, or a key whose revocation this node saw.
        is_known: bool,
    },
    /// The verifier refused the key.
    Key(Refusal),
    /// The key is in force in this environment, and only keys of the other environment pass.
    WrongEnvironment(Environment),
}

impl Rejection {
    /// The word for programs, which decides the status too.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Credential(CredentialFault::Missing) => Code::MISSING_CREDENTIAL,
            Self::Credential(CredentialFault::Malformed(_)) => Code::MALFORMED_AUTHORIZATION,
            Self::InBrowser => Code::KEY_USED_IN_BROWSER,
            Self::InQuery { .. } => Code::KEY_IN_WRONG_PLACE,
            Self::Key(Refusal::Malformed(_)) => Code::MALFORMED_KEY,
            Self::Key(Refusal::NotCurrent) => Code::NOT_CURRENT,
            // One more kind of refusal must not let anyone in by its name.
            Self::Key(_) => Code::INVALID_KEY,
            Self::WrongEnvironment(_) => Code::WRONG_ENVIRONMENT,
        }
    }

    /// The unusual use of a key that is refused, for metrics. The sender is not told.
    #[must_use]
    pub const fn unusual_use(&self) -> Option<UnusualUse> {
        match self {
            Self::InBrowser => Some(UnusualUse::InBrowser),
            Self::InQuery { is_known: true } => Some(UnusualUse::InQuery),
            Self::Key(Refusal::Revoked(_)) => Some(UnusualUse::AfterDeath),
            _ => None,
        }
    }
}

impl From<CredentialFault> for Rejection {
    fn from(fault: CredentialFault) -> Self {
        Self::Credential(fault)
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Key(refusal)
    }
}

impl From<&Rejection> for Problem {
    fn from(rejection: &Rejection) -> Self {
        let detail: Cow<'static, str> = match rejection {
            Rejection::Credential(CredentialFault::Missing) => {
                "send the access key in the header `Authorization: Bearer <key>`".into()
            }
            Rejection::Credential(CredentialFault::Malformed(detail)) => (*detail).into(),
            Rejection::InBrowser => {
                "a page in a browser sent this key, where everyone can read it: regenerate it, and call from a backend"
                    .into()
            }
            Rejection::InQuery { .. } => {
                "a key stands in the query string, which logs and histories keep: treat it as leaked, regenerate it, \
                 and send the new one in the header `Authorization: Bearer <key>`"
                    .into()
            }
            Rejection::Key(Refusal::Malformed(fault)) => fault.to_string().into(),
            Rejection::Key(Refusal::NotCurrent) => {
                "this node cannot prove at the moment that it is up to date, and so says neither yes nor no; try again"
                    .into()
            }
            Rejection::Key(_) => "no such key is in force: it never was, or was deleted or regenerated".into(),
            Rejection::WrongEnvironment(environment) => {
                format!("this key is of the {environment} environment, whose keys do not pass here").into()
            }
        };
        Self::new(rejection.code(), detail)
    }
}
