//! The result of a form, for a page to show.

use doorward_auth::Receipt;
use doorward_key::ShownOnce;
use doorward_types::{AccessKeyId, AllowedOriginId, Name, OperatorId};
use zeroize::Zeroizing;

use crate::form::{Form, Typed};
use crate::page_error::PageError;

/// The maximum number of keys that one form deletes: each waits until no server accepts the key.
pub(crate) const MAX_DELETED: usize = 200;

/// The result of a form, for the page to show.
#[derive(Debug, Default)]
pub(crate) struct FormOutcome {
    /// The change, or the reason why nothing changed.
    pub(crate) notice: Option<Notice>,
    /// A value, shown only in this answer.
    pub(crate) shown: Option<RevealedKey>,
    /// A dialog to fill in again.
    pub(crate) again: Option<Dialog>,
    /// The error in the dialog's answer.
    pub(crate) error: Option<String>,
    /// The texts that were typed into the form with the error.
    pub(crate) typed: Typed,
    /// An invalid origin, and the reason.
    pub(crate) refused_origin: Option<(String, String)>,
    /// The result of a test of a callback URL.
    pub(crate) tried: Option<OriginTest>,
}

/// A sentence about a form.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// True if nothing was changed.
    pub(crate) warns: bool,
}

/// A value in the only answer that shows it.
#[derive(Debug)]
pub(crate) struct RevealedKey {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) value: Revealed,
    /// The kind of the value, for people who hear the page.
    pub(crate) label: &'static str,
    /// The variable of a file with the value, or `None` if the value is for a person.
    pub(crate) variable: Option<&'static str>,
    /// The advice about the place of the value.
    pub(crate) advice: &'static str,
    pub(crate) receipt: String,
}

/// A text that is shown once.
#[derive(Debug)]
pub(crate) enum Revealed {
    Value(ShownOnce),
    Link(Zeroizing<String>),
}

impl Revealed {
    pub(crate) fn expose(&self) -> &str {
        match self {
            Self::Value(value) => value.expose(),
            Self::Link(url) => url,
        }
    }
}

impl RevealedKey {
    /// Returns the value of an access key.
    pub(crate) fn key(title: String, text: String, value: ShownOnce, receipt: &Receipt) -> Self {
        Self {
            title,
            text,
            value: Revealed::Value(value),
            label: "The value of the key",
            variable: Some("DOORWARD_ACCESS_KEY"),
            advice: "Keep it where your backend keeps its secrets.",
            receipt: receipt.to_string(),
        }
    }

    /// Returns the token of a new operator.
    pub(crate) fn token(name: &Name, value: ShownOnce) -> Self {
        Self {
            title: format!("The token of {name}"),
            text: "It opens the management API for programs. To use this page, the operator needs a sign-in link."
                .to_owned(),
            value: Revealed::Value(value),
            label: "The operator’s token",
            variable: Some("DOORWARD_OPERATOR_TOKEN"),
            advice: "Give it to the operator, and keep no copy.",
            receipt: String::new(),
        }
    }

    /// Returns a link by which an operator signs in.
    pub(crate) fn link(name: &Name, minutes: u64, url: String) -> Self {
        Self {
            title: format!("A sign-in link for {name}"),
            text: format!("It signs {name} in once, within {minutes} minutes."),
            value: Revealed::Link(Zeroizing::new(url)),
            label: "The link",
            variable: None,
            advice: "Send it to the operator, by a way that only the operator reads.",
            receipt: String::new(),
        }
    }
}

/// A tested URL.
#[derive(Debug)]
pub(crate) struct OriginTest {
    pub(crate) url: String,
    pub(crate) allowed: bool,
    pub(crate) text: String,
}

impl FormOutcome {
    /// Asks again in this dialog, since the input has an error. What was typed stays.
    pub(crate) fn again(dialog: Dialog, error: String, form: &Form) -> Self {
        Self { again: Some(dialog), error: Some(error), typed: form.typed(), ..Self::default() }
    }

    pub(crate) fn notice(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: false }), ..Self::default() }
    }

    pub(crate) fn warning(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: true }), ..Self::default() }
    }

    /// Creates the message that a key died, with the time that it took.
    pub(crate) fn dead(text: &str, receipt: Receipt) -> Self {
        Self::notice(format!("{text} Dead everywhere after {} ms: {}", receipt.waited().as_millis(), receipt.nodes()))
    }

    pub(crate) fn shown(shown: RevealedKey) -> Self {
        Self { shown: Some(shown), ..Self::default() }
    }
}

/// A dialog before a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Dialog {
    Stage,
    Unstage,
    Regenerate,
    Leaked,
    Create,
    Delete(AccessKeyId),
    DeleteMany(Vec<AccessKeyId>),
    Remove(AllowedOriginId),
    Rename,
    Suspend,
    Resume,
    Close,
    AddOperator,
    RemoveOperator(OperatorId),
}

impl Dialog {
    /// Returns whether the dialog changes the account itself, which no visitor may.
    pub(super) const fn is_of_the_account(&self) -> bool {
        matches!(self, Self::Close | Self::Rename | Self::Resume | Self::Suspend)
    }

    /// Returns the dialog that stays open after an error, or else the dialog that the query requests.
    pub(super) fn shown(again: Option<Self>, query: &Form) -> Result<Option<Self>, PageError> {
        again.map_or_else(|| Self::asked(query), |dialog| Ok(Some(dialog)))
    }

    /// Returns the dialog that the query requests.
    pub(super) fn asked(query: &Form) -> Result<Option<Self>, PageError> {
        Ok(Some(match query.get("dialog") {
            Some("stage") => Self::Stage,
            Some("unstage") => Self::Unstage,
            Some("regenerate") => Self::Regenerate,
            Some("leaked") => Self::Leaked,
            Some("create") => Self::Create,
            Some("rename") => Self::Rename,
            Some("suspend") => Self::Suspend,
            Some("resume") => Self::Resume,
            Some("close") => Self::Close,
            Some("add-operator") => Self::AddOperator,
            Some("delete") => Self::Delete(query.parsed("key")?.ok_or(PageError::NotFound)?),
            Some("delete-many") => {
                let chosen = query.all("key").take(MAX_DELETED).map(str::parse).collect::<Result<_, _>>();
                Self::DeleteMany(chosen.map_err(|_| PageError::Field("key"))?)
            }
            Some("remove") => Self::Remove(query.parsed("origin")?.ok_or(PageError::NotFound)?),
            Some("remove-operator") => Self::RemoveOperator(query.parsed("operator")?.ok_or(PageError::NotFound)?),
            _ => return Ok(None),
        }))
    }
}
